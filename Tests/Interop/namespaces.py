"""Hosts of a test's own: network namespaces with veth pairs between them, and what goes over these."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import time
from dataclasses import dataclass

import pytest
from lab import tool, wait_until

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003
PACKET_OUTGOING = 4
SO_TIMESTAMPNS = 35

_libc = ctypes.CDLL(None, use_errno=True)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Network:
    """A veth pair between two hosts: host 0 has the addresses that end in 1, host 1 those that end in 2."""

    device: str
    prefix4: str
    prefix6: str

    def address(self, host: int, family: int) -> str:
        return f"{self.prefix4 if family == socket.AF_INET else self.prefix6}{host + 1}"


NETWORKS = (Network("net0", "198.51.100.", "2001:db8:1::"), Network("net1", "203.0.113.", "2001:db8:2::"))


class Hosts:
    """Two namespaces, connected by two networks with both families."""

    def __init__(self):
        if os.geteuid() != 0:
            pytest.skip("making network namespaces needs root: run the tests as root")
        self.ip, self.nft = tool("ip", "iproute2"), tool("nft", "nftables")
        self.names = [f"clusprep{os.getpid()}{letter}" for letter in "ab"]
        made = subprocess.run([self.ip, "netns", "add", self.names[0]], capture_output=True, text=True)
        if made.returncode != 0:
            pytest.skip(f"no network namespaces here (a container may need CAP_SYS_ADMIN): {made.stderr.strip()}")
        try:
            self._build()
        except BaseException:
            self.remove()
            raise

    def _build(self):
        run(self.ip, "netns", "add", self.names[1])
        for host in range(2):
            self.within(host, "ip", "link", "set", "lo", "up")
        for network in NETWORKS:
            first, second = self.names
            peer = ("type", "veth", "peer", network.device, "netns", second)
            run(self.ip, "link", "add", network.device, "netns", first, *peer)
            for host in range(2):
                self.within(
                    host, "ip", "addr", "add", network.address(host, socket.AF_INET) + "/24", "dev", network.device
                )
                self._add_version6(host, network)
                self.within(host, "ip", "link", "set", network.device, "up")
        self.settle()

    def _add_version6(self, host: int, network: Network):
        address = network.address(host, socket.AF_INET6)
        self.within(host, "ip", "addr", "replace", address + "/64", "dev", network.device, "nodad")

    def settle(self):
        """Waits until no address is tentative: before that, a host answers no neighbour."""

        def settled():
            states = [self.within(host, "ip", "-6", "addr", "show", "tentative") for host in range(2)]
            return not any(state.strip() for state in states)

        wait_until(settled, 20, "duplicate address detection")

    def within(self, host: int, *command: str) -> str:
        return run(self.ip, "netns", "exec", self.names[host], *command)

    @contextlib.contextmanager
    def inside(self, host: int):
        """The calling thread is in the namespace, with every socket it makes and every process it starts."""
        with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{self.names[host]}") as namespace:
            _enter(namespace.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def link(self, host: int, network: Network, up: bool):
        self.within(host, "ip", "link", "set", network.device, "up" if up else "down")
        if up:
            # The kernel takes IPv6 addresses away with the link.
            for end in range(2):
                self._add_version6(end, network)
            self.settle()

    def filter(self, host: int, *rules: str):
        """Puts rules at the front of the host's input; none takes all away."""
        self.within(host, "nft", "flush", "ruleset")
        if rules:
            chain = "add chain inet test input { type filter hook input priority 0; }"
            lines = ["add table inet test", chain, *(f"add rule inet test input {rule}" for rule in rules)]
            self.within(host, "nft", "; ".join(lines))

    def remove(self):
        for name in self.names:
            subprocess.run([self.ip, "netns", "del", name], capture_output=True)


def _enter(descriptor: int):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Sniffer:
    """Sees what a host sends over its network devices (not over lo), with the kernel's time of it."""

    def __init__(self, hosts: Hosts, host: int):
        with hosts.inside(host):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.names = dict(socket.if_nameindex())
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.setblocking(False)

    def frames(self, of: bytes) -> list[tuple[float, str, bytes]]:
        """(time, device, frame) of everything that went out since this was last asked and has these octets in it."""
        found = []
        while True:
            try:
                frame, control, _, (device, _, kind, *_) = self.socket.recvmsg(65536, 256)
            except BlockingIOError:
                return found
            if kind != PACKET_OUTGOING or device == "lo" or of not in frame:
                continue
            [stamp] = [data for level, what, data in control if (level, what) == (socket.SOL_SOCKET, SO_TIMESTAMPNS)]
            seconds, nanoseconds = struct.unpack("qq", stamp)
            found.append((seconds + nanoseconds / 1e9, device, frame))

    def quiet_since(self, moment: float, seconds: float, of: bytes):
        """Nothing with these octets went out after the moment; looks for so many seconds."""
        end = time.time() + seconds
        while time.time() < end:
            late = [(when - moment, device) for when, device, _ in self.frames(of) if when > moment]
            assert not late, f"{len(late)} frames, the first {late[0][0]:.3f} s after the end, on {late[0][1]}"
            time.sleep(0.05)

    def close(self):
        self.socket.close()
