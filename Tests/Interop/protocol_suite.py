"""Points the protocol suite at any server, and tells where it departs from the cases.

    python protocol_suite.py --samba
    python protocol_suite.py --server 192.0.2.7:135 --admin 'DOMAIN\\Administrator%secret' --user 'DOMAIN\\user%secret'
    python protocol_suite.py --samba --show 'a bind of two interfaces'
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from protocol_cases import Case, load
from protocol_peer import Disagreement, Player, Target
from samba_server import SambaServer


#: Seconds to wait for an answer that may never come: long on a loopback, short beside the number of cases.
PATIENCE = 2


def differences(target: Target, cases: list[Case]) -> dict[str, str]:
    """What a server does otherwise, by the names of the cases."""
    target.timeout = PATIENCE

    def difference(case: Case) -> str | None:
        try:
            Player(target).play(case)
        except (Disagreement, OSError) as error:
            return str(error) or type(error).__name__
        return None

    with ThreadPoolExecutor(max_workers=8) as pool:
        found = zip(cases, pool.map(difference, cases))
        return {case.name: text for case, text in found if text is not None}


def account(text: str) -> tuple[str, str, str]:
    name, _, password = text.partition("%")
    domain, _, user = name.rpartition("\\")
    return domain, user, password


def show(direction: str, octets: bytes | None):
    if octets is None:
        return print(f"{direction} closed")
    for at in range(0, len(octets), 16):
        piece = octets[at : at + 16]
        text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in piece)
        print(f"{direction if at == 0 else ' '} {at:04x}  {piece.hex(' '):47}  {text}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--samba", action="store_true", help="start Samba's server and point the suite at it (as root)")
    where.add_argument("--server", metavar="HOST:PORT", help="a server that has the endpoint mapper at this port")
    parser.add_argument("--admin", type=account, metavar="DOMAIN\\NAME%PASSWORD", help="the suite's user admin")
    parser.add_argument("--user", type=account, metavar="DOMAIN\\NAME%PASSWORD", help="the suite's user user")
    parser.add_argument("--show", metavar="NAME", help="print the octets of one case")
    chosen = parser.parse_args()
    cases = [case for case in load() if case.only != "machine"]
    if chosen.show:
        cases = [case for case in cases if case.name == chosen.show]
        if not cases:
            parser.error(f"no case for a wire is called {chosen.show!r}")

    def run(target: Target) -> int:
        if chosen.show:
            for case in cases:
                print(f"{case.name}  ({case.clause})")
                try:
                    Player(target, trace=show).play(case)
                except Disagreement as error:
                    print(error)
            return 0
        found = differences(target, cases)
        for case in cases:
            if case.name in found:
                print(f"- {case.name}  ({case.clause})\n    {found[case.name]}")
        print(f"{len(cases) - len(found)} of {len(cases)} cases agree, {len(found)} differ")
        return 0

    if chosen.server:
        host, _, port = chosen.server.rpartition(":")
        users = {"admin": chosen.admin, "user": chosen.user, "anonymous": ("", "", "")}
        return run(Target(host, int(port), {name: user for name, user in users.items() if user}))
    with tempfile.TemporaryDirectory() as folder, SambaServer(Path(folder)) as target:
        return run(target)


if __name__ == "__main__":
    sys.exit(main())
