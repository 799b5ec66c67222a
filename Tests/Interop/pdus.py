"""Connection-oriented PDUs by hand ([C706] 12.6), for what no client library will send."""

from __future__ import annotations

import socket
import struct
import uuid

REQUEST, RESPONSE, FAULT, BIND, BIND_ACK, BIND_NAK = 0, 2, 3, 11, 12, 13
ALTER_CONTEXT, ALTER_CONTEXT_RESP, AUTH3, SHUTDOWN, CO_CANCEL, ORPHANED = 14, 15, 16, 17, 18, 19
FIRST, LAST, PENDING_CANCEL, CONC_MPX, DID_NOT_EXECUTE, OBJECT_UUID = 0x01, 0x02, 0x04, 0x10, 0x20, 0x80

NDR20 = (uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860"), 2, 0)
EPMAPPER = (uuid.UUID("e1af8308-5d1f-11c9-91a4-08002b14a0fa"), 3, 0)
MANAGEMENT = (uuid.UUID("afa8bd80-7d8a-11c9-bef4-08002b102989"), 1, 0)
OBJECT_EXPORTER = (uuid.UUID("99fcfec4-5260-101b-bbcb-00aa0021347a"), 0, 0)
TIMEOUT = 120


def order(big: bool) -> str:
    return ">" if big else "<"


def identifier(text: uuid.UUID, big: bool) -> bytes:
    return text.bytes if big else text.bytes_le


def syntax(item, big: bool = False) -> bytes:
    value, major, minor = item
    return identifier(value, big) + struct.pack(order(big) + "L", minor << 16 | major)  # one integer, not two


def pdu(kind, body, flags=FIRST | LAST, call=1, auth=b"", big=False, version=(5, 0), length=None) -> bytes:
    """A PDU: common header and body, with the true length unless told otherwise."""
    size = 16 + len(body) if length is None else length
    auth_length = max(0, len(auth) - 8)
    drep = b"\x00\0\0\0" if big else b"\x10\0\0\0"
    header = bytes([*version, kind, flags]) + drep + struct.pack(order(big) + "HHL", size + len(auth), auth_length, call)
    return header + body + auth


def bind(contexts, kind=BIND, max_frag=4280, group=0, **how) -> bytes:
    """A bind or alter_context for [(context identifier, abstract syntax, [transfer syntaxes])]."""
    big = how.get("big", False)
    body = struct.pack(order(big) + "HHL", max_frag, max_frag, group) + bytes([len(contexts), 0, 0, 0])
    for context, abstract, transfers in contexts:
        body += struct.pack(order(big) + "H", context) + bytes([len(transfers), 0]) + syntax(abstract, big)
        body += b"".join(syntax(item, big) for item in transfers)
    return pdu(kind, body, **how)


def request(opnum, stub=b"", context=0, object_id=None, flags=FIRST | LAST, hint=None, **how) -> bytes:
    big = how.get("big", False)
    body = struct.pack(order(big) + "LHH", len(stub) if hint is None else hint, context, opnum)
    if object_id is not None:
        body += identifier(object_id, big)
        flags |= OBJECT_UUID
    return pdu(REQUEST, body + stub, flags=flags, **how)


class Answer:
    """A received PDU."""

    def __init__(self, octets: bytes):
        self.octets = octets
        self.kind, self.flags = octets[2], octets[3]
        self.call = struct.unpack("<L", octets[12:16])[0]

    @property
    def status(self) -> int:
        assert self.kind == FAULT, f"PDU type {self.kind} is no fault"
        return struct.unpack("<L", self.octets[24:28])[0]

    @property
    def reason(self) -> int:
        assert self.kind == BIND_NAK, f"PDU type {self.kind} is no bind_nak"
        return struct.unpack("<H", self.octets[16:18])[0]

    @property
    def stub(self) -> bytes:
        assert self.kind == RESPONSE, f"PDU type {self.kind} is no response"
        return self.octets[24:]

    @property
    def group(self) -> int:
        return struct.unpack("<L", self.octets[20:24])[0]

    def results(self) -> list[tuple[int, int]]:
        """(result, reason) of each presentation context."""
        assert self.kind in (BIND_ACK, ALTER_CONTEXT_RESP), f"PDU type {self.kind} has no results"
        length = struct.unpack("<H", self.octets[24:26])[0]
        at = 26 + length
        at += -at % 4
        count = self.octets[at]
        return [struct.unpack("<HH", self.octets[at + 4 + 24 * n : at + 8 + 24 * n]) for n in range(count)]


class Wire:
    """A TCP connection, from this address of ours or any, that sends octets and receives whole PDUs."""

    def __init__(self, address: str, port: int, origin: str | None = None):
        self.socket = socket.create_connection((address, port), TIMEOUT, (origin, 0) if origin else None)
        # An auth3 has no answer; what is sent behind it would wait for the kernel to acknowledge it.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *pdus: bytes):
        self.socket.sendall(b"".join(pdus))

    def receive(self) -> Answer | None:
        """The next PDU; None when the peer has closed the connection."""
        header = self._exactly(16)
        if header is None:
            return None
        return Answer(header + (self._exactly(struct.unpack("<H", header[8:10])[0] - 16) or b""))

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                chunk = self.socket.recv(count - len(data))
            except ConnectionResetError:
                return None
            if not chunk:
                return None
            data += chunk
        return data

    def ask(self, octets: bytes) -> Answer | None:
        self.send(octets)
        return self.receive()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
