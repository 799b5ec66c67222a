"""Sealed NTLM associations by the thousand, from one process."""

from __future__ import annotations

import os
import resource
import struct
import time

from lab import wait_until
from ntlm_wire import AuthenticatedWire
from pdus import MANAGEMENT

IS_SERVER_LISTENING = 2


def source(number: int) -> str:
    """One of the 65,024 addresses 127.1.0.1 to 127.1.255.254."""
    return f"127.1.{number // 254 % 256}.{number % 254 + 1}"


def allow_descriptors(count: int) -> bool:
    """Raises our own limit of open files; whether there is room for so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            if os.geteuid() != 0:
                return False
            hard = wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return True


class Sealed(AuthenticatedWire):
    """Bound to the management interface, sealed, and perhaps from an address of our choice."""

    def __init__(self, node: dict, credentials, origin: str | None = None):
        super().__init__(node["address"], node["endpointMapperPort"], credentials, MANAGEMENT, origin=origin)

    def begin(self):
        """Asks whether the server listens."""
        self.call += 1
        self.send(self.security.request(IS_SERVER_LISTENING, call=self.call))

    def end(self):
        """It does."""
        answer = self.receive()
        if answer is None:
            raise ConnectionError("closed instead of answered")
        assert struct.unpack("<LL", self.security.open(answer.octets)) == (0, 1)

    def listens(self):
        self.begin()
        self.end()


def memory(pid: int) -> dict[str, int]:
    """What a process has in memory, in octets: "Rss", "Pss", "Anonymous" and the like."""
    fields = {}
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if rest.strip().endswith("kB"):
                fields[name] = int(rest.split()[0]) * 1024
    return fields


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def at_rest(pid: int) -> int:
    """How many descriptors there are once their number does not change any more."""

    def stays():
        before = descriptors(pid)
        time.sleep(1)
        return before if descriptors(pid) == before else None

    return wait_until(stays, 60, "the descriptors to become no fewer")
