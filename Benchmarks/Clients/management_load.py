#!/usr/bin/python3
"""Clients of one server, each a process of its own: Samba's, and so nobody's who is measured.

    management_load.py BINDING PROCESSES SECONDS DOMAIN USER SERVER-PID < password

With krb5 in the binding, DOMAIN is the realm, and KRB5CCNAME in the environment names the tickets.

Each process binds, makes some calls, waits for the others, and then calls mgmt_is_server_listening as fast as answers come.
What comes out is a line of JSON: calls a second, and the microseconds of processor time that the server's processes, PID and
its descendants, took for a call, in all and in the kernel.
"""

import json
import os
import select
import sys
import time
import traceback

from samba import NTSTATUSError
from samba.credentials import DONT_USE_KERBEROS, MUST_USE_KERBEROS, SPECIFIED, Credentials
from samba.dcerpc import mgmt
from samba.param import LoadParm

#: Calls before the measurement, and between two looks at the clock.
WARM_UP = 64
BATCH = 16
#: How long a process may take to bind, in seconds, and how often it may try.
PATIENCE = 120
ATTEMPTS = 5


def main():
    binding, processes, seconds, domain, user, root = sys.argv[1:]
    password = sys.stdin.readline().rstrip("\n")
    if binding == "version":
        return

    def connect():
        parameters = LoadParm()
        parameters.load_default()
        # Not to be slowed down by what Samba's library thinks is worth saying.
        parameters.set("log level", "0")
        credentials = Credentials()
        credentials.guess(parameters)
        if "krb5" in binding:
            parameters.set("realm", domain)
            credentials.set_kerberos_state(MUST_USE_KERBEROS)
            credentials.set_named_ccache(os.environ["KRB5CCNAME"], SPECIFIED, parameters)
        else:
            credentials.set_domain(domain)
            credentials.set_username(user)
            credentials.set_password(password)
            credentials.set_kerberos_state(DONT_USE_KERBEROS)
        return mgmt.mgmt(binding, parameters, credentials)

    print(json.dumps(measure(connect, int(processes), float(seconds), int(root))))


def measure(connect, processes: int, seconds: float, root: int) -> dict[str, float]:
    ready, go, result = os.pipe(), os.pipe(), os.pipe()
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            os._exit(client(connect, seconds, ready[1], go, result[1]))
        children.append(child)
        # One after the other: what is measured is calls, and a server that starts helpers may not like a crowd.
        if not select.select([ready[0]], [], [], PATIENCE)[0]:
            sys.exit("a client cannot bind in time")
        if os.read(ready[0], 1) != b".":
            sys.exit("a client failed")
    os.close(result[1])
    members = tree(root)
    before = processor_time(members)
    os.close(go[1])
    words = b""
    while part := os.read(result[0], 4096):
        words += part
    used, kernel = (after - earlier for after, earlier in zip(processor_time(members), before))
    for child in children:
        os.waitpid(child, 0)
    counts = [int(word) for word in words.split()]
    if len(counts) != processes:
        sys.exit("a client failed")
    return {
        "calls": sum(counts) / seconds,
        "microseconds": used / sum(counts) * 1e6,
        "kernel": kernel / sum(counts) * 1e6,
    }


def client(connect, seconds: float, ready: int, go: tuple[int, int], result: int) -> int:
    try:
        # The end of this pipe is the beginning, once nobody has its other end any more.
        os.close(go[1])
        server = bind(connect)
        for _ in range(WARM_UP):
            server.is_server_listening()
        os.write(ready, b".")
        os.read(go[0], 1)
        count = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(BATCH):
                server.is_server_listening()
            count += BATCH
        os.write(result, b"%d\n" % count)
        return 0
    except Exception:
        traceback.print_exc()
        os.write(ready, b"!")
        return 1


def bind(connect):
    for _ in range(ATTEMPTS - 1):
        try:
            return connect()
        except NTSTATUSError:
            time.sleep(0.2)
    return connect()


def tree(root: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := status(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    members, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        members.append(process)
        waiting += children.get(process, [])
    return members


def processor_time(processes: list[int]) -> tuple[float, float]:
    """Seconds in user and kernel mode together, and in kernel mode."""
    times = [[int(field) for field in status(process)[11:13]] for process in processes]
    second = os.sysconf("SC_CLK_TCK")
    return sum(sum(time) for time in times) / second, sum(time[1] for time in times if time) / second


def status(process: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: the second is a name that may hold anything."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


if __name__ == "__main__":
    main()
