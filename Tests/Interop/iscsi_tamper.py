"""A bad target: between an initiator and a good one, and changing what passes (RFC 7143)."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable

HEADER = 48
(SCSI_COMMAND, LOGIN, SCSI_RESPONSE, DATA_IN) = (0x01, 0x03, 0x21, 0x25)
INQUIRY, PERSISTENT_RESERVE_OUT = 0x12, 0x5F
RESERVE, CLEAR = 1, 3
GOOD, RESERVATION_CONFLICT = 0x00, 0x18


class Session:
    """What is known of a connection: who it is from, and which commands wait for their answers."""

    def __init__(self):
        self.initiator = b""
        self.commands: dict[bytes, bytes] = {}


#: Change a command's header and data, or an answer's, in place. An answer comes with the CDB of its command.
Change = Callable[[Session, bytes, bytearray, bytearray], None]


class TamperingPortal:
    """Listens on a port of its own, and passes everything on to a portal."""

    def __init__(self, portal: str, on_command: Change | None = None, on_answer: Change | None = None):
        host, _, port = portal.rpartition(":")
        self.target = (host, int(port))
        self.on_command, self.on_answer = on_command, on_answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.portal = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets: list[socket.socket] = [self.listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for item in self.sockets:
            item.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            self.sockets += [client, server]
            session = Session()
            for source, sink, handle in ((client, server, self._command), (server, client, self._answer)):
                threading.Thread(target=self._pass_on, args=(session, source, sink, handle), daemon=True).start()

    def _pass_on(self, session: Session, source: socket.socket, sink: socket.socket, handle):
        try:
            while header := _read(source, HEADER):
                header = bytearray(header)
                extra = header[4] * 4
                length = int.from_bytes(header[5:8], "big")
                rest = bytearray(_read(source, extra + length + -length % 4)) if extra + length else bytearray()
                data = rest[extra : extra + length]
                handle(session, header, data)
                rest[extra : extra + length] = data
                sink.sendall(bytes(header) + bytes(rest))
        except OSError:
            pass
        for item in (source, sink):
            try:
                item.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _command(self, session: Session, header: bytearray, data: bytearray):
        opcode = header[0] & 0x3F
        if opcode == LOGIN:
            session.initiator = bytes(header[8:14])  # ISID
        elif opcode == SCSI_COMMAND:
            session.commands[bytes(header[16:20])] = bytes(header[32:48])
            if self.on_command:
                self.on_command(session, bytes(header[32:48]), header, data)

    def _answer(self, session: Session, header: bytearray, data: bytearray):
        if header[0] & 0x3F in (SCSI_RESPONSE, DATA_IN) and self.on_answer:
            cdb = session.commands.get(bytes(header[16:20]))
            if cdb:
                self.on_answer(session, cdb, header, data)


def _read(source: socket.socket, length: int) -> bytes:
    octets = b""
    while len(octets) < length:
        chunk = source.recv(length - len(octets))
        if not chunk:
            return b""
        octets += chunk
    return octets


def is_reserve_out(cdb: bytes, action: int) -> bool:
    return cdb[0] == PERSISTENT_RESERVE_OUT and cdb[1] & 0x1F == action


# What targets get wrong.


def reserve_ignores_the_type(_: Session, cdb: bytes, header: bytearray, __: bytearray):
    """RESERVE takes every type for Write Exclusive."""
    if is_reserve_out(cdb, RESERVE):
        header[32 + 2] = cdb[2] & 0xF0 | 1


def reserve_never_conflicts(_: Session, cdb: bytes, header: bytearray, data: bytearray):
    """RESERVE says that it was done, whoever holds the reservation."""
    if is_reserve_out(cdb, RESERVE) and header[0] & 0x3F == SCSI_RESPONSE:
        header[3] = GOOD


class IdentifierForEach:
    """Page 83h names the unit differently to each initiator."""

    def __init__(self):
        self.initiators: list[bytes] = []

    def __call__(self, session: Session, cdb: bytes, header: bytearray, data: bytearray):
        if session.initiator not in self.initiators:
            self.initiators.append(session.initiator)
        if cdb[0] != INQUIRY or cdb[1:3] != b"\x01\x83" or header[0] & 0x3F != DATA_IN:
            return
        end = min(len(data), 4 + struct.unpack_from(">H", data, 2)[0])
        place = 4
        while place + 4 <= end:
            after = place + 4 + data[place + 3]
            if after <= end and after > place + 4:
                # A letter stays a letter, a digit a digit or one of the letters behind.
                data[after - 1] ^= self.initiators.index(session.initiator) & 1
            place = after
