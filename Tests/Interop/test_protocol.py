"""The protocol suite against the daemon, one connection a case; and against Samba's server, for comparison."""

import socket
import struct
import warnings
from pathlib import Path

import pytest
from lab import Lab, wait_until
from protocol_cases import load
from protocol_peer import Player, Target
from protocol_suite import differences
from samba_server import SambaServer
from test_lab import user_add

CASES = [case for case in load() if case.only != "machine"]
PASSWORD = "An0ther-secret"


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """One node, and a user who is no administrator."""
    lab = Lab(tmp_path_factory.mktemp("protocol") / "lab", nodes=1, disks=1)
    node = lab.nodes[0]
    code, text = user_add(lab, "somebody", PASSWORD)
    assert code == 0, text
    users = {
        "admin": (lab.domain, lab.user, lab.password),
        "user": (lab.domain, "somebody", PASSWORD),
        "anonymous": ("", "", ""),
    }
    yield Target(node["address"], node["endpointMapperPort"], users)
    assert lab.stop() == 0


def test_there_are_enough():
    assert len(load()) >= 300


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(target, case):
    Player(target).play(case)


def test_silent_peers_are_noticed(target):
    """Keep-alives: the server's side of a silent connection has the kernel's timer for them ([MS-RPCE] 3.3.3.2.1)."""
    with socket.create_connection((target.address, target.port)) as connection:
        ours = connection.getsockname()
        # As the server sees it: its own address, ours, and the timer, of which 02 is the one of keep-alives.
        wanted = f"{endpoint(target.address, target.port)} {endpoint(*ours)}"

        def timer():
            lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            return next((line[5].partition(":")[0] for line in lines if f"{line[1]} {line[2]}" == wanted), None)

        wait_until(lambda: timer() == "02", 10, "the keep-alive timer")


def endpoint(address: str, port: int) -> str:
    """An IPv4 endpoint as /proc/net/tcp has it."""
    return f"{struct.unpack('<L', socket.inet_aton(address))[0]:08X}:{port:04X}"


def test_samba(tmp_path):
    """Where Samba departs from the cases is told, not failed: it is another implementation, not the standard."""
    obstacle = SambaServer.obstacle()
    if obstacle:
        pytest.skip(obstacle)
    with SambaServer(tmp_path) as target:
        found = differences(target, CASES)
    for name, text in found.items():
        print(f"{name}\n    {text}")
    warnings.warn(f"samba-dcerpcd departs from {len(found)} of {len(CASES)} cases", stacklevel=1)
    assert len(found) < len(CASES) / 2, "it does not answer at all"
