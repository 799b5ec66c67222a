"""Sealed NTLM associations by the thousand, from one process: raw sockets, and of impacket the NTLM functions alone."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import struct

from Cryptodome.Cipher import ARC4
from impacket import ntlm
from pdus import AUTH3, BIND_ACK, FIRST, LAST, MANAGEMENT, NDR20, REQUEST, TIMEOUT, Answer, bind, pdu

NTLM, PRIVACY = 10, 6
SECURITY_CONTEXT = 1
IS_SERVER_LISTENING = 2


def trailer(padding: int = 0) -> bytes:
    return struct.pack("<BBBBL", NTLM, PRIVACY, padding, 0, SECURITY_CONTEXT)


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


class Sealed:
    """A connection, its two key streams and their numbers: what impacket's classes need a hundred times the memory for."""

    __slots__ = ("socket", "flags", "sign", "seal", "unseal", "number", "call")

    def __init__(self, target: tuple[str, int], user: str, domain: str, nt_hash: bytes, origin: str | None = None):
        self.socket = socket.create_connection(target, TIMEOUT, (origin, 0) if origin else None)
        # An auth3 has no answer; the request behind it would wait for the kernel to acknowledge it.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._authenticate(user, domain, nt_hash)
        except BaseException:
            self.close()
            raise

    def _authenticate(self, user: str, domain: str, nt_hash: bytes):
        self.number, self.call = 0, 1
        negotiate = ntlm.getNTLMSSPType1("", "", signingRequired=True)
        self.socket.sendall(bind([(0, MANAGEMENT, [NDR20])], auth=trailer() + negotiate.getData()))
        answer = self.receive()
        if answer is None or answer.kind != BIND_ACK:
            raise ConnectionError("no bind_ack")
        auth_length = struct.unpack("<H", answer.octets[10:12])[0]
        authenticate, key = ntlm.getNTLMSSPType3(
            negotiate, answer.octets[-auth_length:], user, "", domain, "", nt_hash)
        self.flags = authenticate["flags"]
        self.sign = ntlm.SIGNKEY(self.flags, key)
        self.seal = ARC4.new(ntlm.SEALKEY(self.flags, key))
        self.unseal = ARC4.new(ntlm.SEALKEY(self.flags, key, "Server"))
        # The four octets before the trailer are [C706]'s padding of an auth3.
        self.socket.sendall(pdu(AUTH3, b"\0" * 4, auth=trailer() + authenticate.getData()))

    def begin(self):
        """Sends a sealed rpc_mgmt_is_server_listening."""
        self.call += 1
        body = struct.pack("<LHH", 0, 0, IS_SERVER_LISTENING)
        unsigned = pdu(REQUEST, body, flags=FIRST | LAST, call=self.call, auth=trailer() + bytes(16))[:-16]
        signature = ntlm.MAC(self.flags, self.seal.encrypt, self.sign, self.number, unsigned)
        self.number += 1
        self.socket.sendall(unsigned + signature.getData())

    def end(self):
        """Its answer: the server listens."""
        answer = self.receive()
        if answer is None:
            raise ConnectionError("closed instead of answered")
        auth_length = struct.unpack("<H", answer.octets[10:12])[0]
        sealed = answer.stub[: -auth_length - 8]
        stub = self.unseal.decrypt(sealed)
        self.unseal.decrypt(bytes(8))  # the checksum's part of the key stream
        assert struct.unpack("<LL", stub[:8]) == (0, 1), stub.hex()

    def ask(self):
        self.begin()
        self.end()

    def receive(self) -> Answer | None:
        header = self._exactly(16)
        return header and Answer(header + self._exactly(struct.unpack("<H", header[8:10])[0] - 16))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            chunk = self.socket.recv(count - len(data))
            if not chunk:
                return b""
            data += chunk
        return data

    def abort(self):
        """As a client that crashed: a reset, and no orderly end."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


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
