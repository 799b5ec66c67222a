"""Plays the protocol suite's cases against a server over TCP, with impacket's NTLM."""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass, field

from Cryptodome.Cipher import ARC4
from impacket import ntlm
from protocol_cases import Case, Step
from protocol_pdus import AUTHENTICATION, PDU, describe, difference, number, octets

TIMEOUT = 120
LISTENING = "00000000.01000000"
CONNECT, INTEGRITY, PRIVACY = 2, 5, 6


class Disagreement(AssertionError):
    """A server did something else than a case says."""


@dataclass
class Target:
    """A server, and who may log on to it: `users` has (domain, name, password) for each of the suite's users."""

    address: str
    port: int
    users: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    timeout: float = TIMEOUT


class Security:
    """The client's half of a security context."""

    def __init__(self, name: str, values: dict[str, list[str]], target: Target):
        def value(key: str, default: str) -> str:
            return values.get(key, [default])[-1]

        self.name = name
        self.type = AUTHENTICATION[value("type", "ntlm")]
        self.level, self.id = number(value("level", "6")), number(value("id", "1"))
        user = value("user", "admin")
        self.domain, self.user, self.password = target.users[user.removeprefix("wrong:")]
        if user.startswith("wrong:"):
            self.password += "x"
        self.negotiate = None
        self.challenge = None
        self.sequence = [0, 0]

    def token(self) -> bytes:
        if self.negotiate is None:
            self.negotiate = ntlm.getNTLMSSPType1("", "", signingRequired=True)
            return self.negotiate.getData()
        answer, key = ntlm.getNTLMSSPType3(
            self.negotiate, self.challenge, self.user, self.password, self.domain, "", ""
        )
        self.flags = answer["flags"]
        self.signing, self.sealing = [], []
        for mode in ("Client", "Server"):
            self.signing.append(ntlm.SIGNKEY(self.flags, key, mode))
            self.sealing.append(ARC4.new(ntlm.SEALKEY(self.flags, key, mode)).encrypt)
        return answer.getData()

    def _signature(self, direction: int, message: bytes) -> bytes:
        value = ntlm.MAC(
            self.flags, self.sealing[direction], self.signing[direction], self.sequence[direction], message
        )
        self.sequence[direction] += 1
        return value.getData()

    def protect(self, message: bytes, start: int, end: int) -> bytes:
        """A message from its header to its trailer, with its body sealed, and its signature."""
        if self.level <= CONNECT:
            return message + bytes(16)
        body = message[start:end]
        if self.level == PRIVACY:
            body = self.sealing[0](body)
        return message[:start] + body + message[end:] + self._signature(0, message)

    def open(self, message: bytes, start: int, end: int) -> bytes:
        """The body of a message, unsealed, after its signature was verified."""
        body = message[start:end]
        if self.level == PRIVACY:
            body = self.sealing[1](body)
        if self._signature(1, message[:start] + body + message[end:-16]) != message[-16:]:
            raise Disagreement(f"the answer's signature by {self.name} is wrong")
        return body


class Wire:
    def __init__(self, target: Target, source: str | None = None):
        where = (target.address, target.port)
        self.socket = socket.create_connection(where, target.timeout, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes):
        # Who refuses a stream at its beginning closes while its end is still sent; the answer tells.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def receive(self) -> bytes | None:
        header = self._exactly(16)
        if header is None:
            return None
        return header + (self._exactly(struct.unpack("<H", header[8:10])[0] - 16) or b"")

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


class Player:
    """One case under way."""

    def __init__(self, target: Target, trace=None):
        self.target, self.trace = target, trace
        self.wires: dict[int, Wire] = {}
        self.sources: dict[int, str] = {}
        self.ended: set[int] = set()
        self.security: dict[str, Security] = {}
        self.variables: dict[str, int] = {}

    def play(self, case: Case):
        try:
            for step in case.steps:
                try:
                    self.step(step)
                except Disagreement as error:
                    line = " ".join([step.verb, *step.words])
                    raise Disagreement(f"{step.place}: {line}\n  {error}") from None
            for number_, wire in self.wires.items():
                if number_ not in self.ended:
                    self.finish(wire)
        finally:
            for wire in self.wires.values():
                wire.socket.close()

    @staticmethod
    def finish(wire: Wire):
        """Our end is closed: the server may have nothing more to say."""
        with contextlib.suppress(OSError):
            wire.socket.shutdown(socket.SHUT_WR)
        received = wire.receive()
        if received is not None:
            raise Disagreement(f"nobody waits for: {describe(received)}")

    def wire(self, connection: int) -> Wire:
        if connection not in self.wires:
            self.wires[connection] = Wire(self.target, self.sources.get(connection))
        return self.wires[connection]

    def step(self, step: Step):
        bare, values = step.options()
        match step.verb:
            case ">":
                self.send(step, bare, values)
            case "<":
                self.expect(step, bare, values)
            case "alive":
                self.alive(step, values)
            case "security":
                self.security[bare[0]] = Security(bare[0], values, self.target)
            case "from":
                self.sources[number(bare[0])] = bare[1]
            case "half-close":
                self.wire(1).socket.shutdown(socket.SHUT_WR)
            case "disconnect":
                self.disconnect(number(bare[0]) if bare else 1)
            case "different":
                if len({self.variables[name] for name in bare}) < len(bare):
                    raise Disagreement("the same")
            case other:
                raise ValueError(f"{step.place}: {other} means nothing on a wire")

    def disconnect(self, connection: int):
        self.finish(self.wire(connection))
        self.wires.pop(connection).socket.close()

    def alive(self, step: Step, values: dict):
        """A call that anybody may make is answered."""
        words = {name: value for name, value in values.items() if name in ("call", "auth", "context")}
        self.send(step, [], {**words, "opnum": ["2"]}, "request")
        self.expect(step, [], {**words, "stub": [LISTENING]}, "response")

    # Sending

    def send(self, step: Step, bare: list[str], values: dict, kind: str | None = None):
        wire = self.wire(step.connection)
        if kind is None:
            kind, bare = bare[0], bare[1:]
        if kind == "octets":
            data = octets(".".join(bare))
        else:
            data = self.encode(PDU(kind, bare, values, self.variables))
        for patch in values.get("patch", []):
            offset, _, text = patch.partition(":")
            at = number(offset) % len(data)
            replacement = octets(text)
            data = data[:at] + replacement + data[at + len(replacement) :]
        for offset in values.get("flip", []):
            at = number(offset) % len(data)
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        if "cut" in values:
            data = data[: number(values["cut"][0])]
        if self.trace:
            self.trace(">", data)
        data *= number(values.get("times", ["1"])[0])
        size = number(values.get("by", ["0"])[0]) or len(data)
        for at in range(0, len(data), size):
            wire.send(data[at : at + size])

    def encode(self, pdu: PDU) -> bytes:
        body = pdu.body()
        if "auth" not in pdu.values and "verifier" not in pdu.values:
            return pdu.header(16 + len(body), 0) + body
        if "verifier" in pdu.values:
            kind, level, identifier, text = pdu.value("verifier").split("/")
            security, token = None, octets(text)
            provider = AUTHENTICATION[kind] if kind in AUTHENTICATION else number(kind)
            fields = [provider, number(level), number(identifier)]
        else:
            security = self.security[pdu.value("auth")]
            fields = [security.type, security.level, security.id]
            token = bytes(16)
        signed = security is not None and pdu.kind == "request"
        if security is not None and not signed:
            token = security.token() if "auth.token" not in pdu.values else octets(pdu.value("auth.token"))
        start = 24 + (16 if "object" in pdu.values else 0)
        padding = -(16 + len(body) - start) % 16 if pdu.kind == "request" else -len(body) % 4
        padding = pdu.int("auth.pad", padding)
        body += bytes([0xBB]) * padding
        fields = [pdu.int("auth.type", fields[0]), pdu.int("auth.level", fields[1]), pdu.int("auth.id", fields[2])]
        trailer = bytes([fields[0], fields[1], pdu.int("auth.padsays", padding), 0]) + pdu.pack("L", fields[2])
        length = 16 + len(body) + 8 + len(token)
        message = pdu.header(length, len(token)) + body + trailer
        return security.protect(message, start, 16 + len(body)) if signed else message + token

    # Receiving

    def expect(self, step: Step, bare: list[str], values: dict, kind: str | None = None):
        if kind is None:
            kind, bare = bare[0], bare[1:]
        if kind == "nothing":
            return  # what comes nevertheless is seen by the next expectation
        received = self.wire(step.connection).receive()
        if self.trace:
            self.trace("<", received)
        if kind == "closed":
            self.ended.add(step.connection)
            if received is not None:
                raise Disagreement(f"not closed, but {describe(received)}")
            return
        if received is None:
            self.ended.add(step.connection)
            raise Disagreement("closed")
        pdu = PDU(kind, bare, values, self.variables)
        expected = pdu.expected(self.target.port)
        plain = self.opened(pdu, expected, received) if "auth" in values else received
        if struct.unpack("<H", received[10:12])[0] and "auth" not in values:
            raise Disagreement(f"authenticated: {describe(received)}")
        found = difference(expected, plain)
        if found:
            raise Disagreement(f"{describe(plain)}: {found}")
        group = pdu.value("group", "")
        if group.startswith("$"):
            self.variables[group] = struct.unpack("<L", received[20:24])[0]
            if not self.variables[group]:
                raise Disagreement("an association group of zero")

    def opened(self, pdu: PDU, expected: list, received: bytes) -> bytes:
        """What an authenticated answer says without its trailer, which is checked here."""
        security = self.security[pdu.value("auth")]
        length = struct.unpack("<H", received[10:12])[0]
        at = len(received) - length - 8
        if length == 0 and "empty" not in pdu.bare:
            raise Disagreement(f"not authenticated: {describe(received)}")
        if length and "empty" in pdu.bare:
            raise Disagreement(f"{length} octets of token, not none")
        kind, level, padding, _, identifier = struct.unpack("<BBBBL", received[at : at + 8])
        if (kind, level, identifier) != (security.type, security.level, security.id):
            raise Disagreement(f"the trailer is of type {kind}, level {level}, context {identifier}")
        if pdu.kind == "response":
            body = security.open(received, 24, at)
            if len(body) % 16:
                raise Disagreement(f"the trailer stands at octet {len(body)} of the body")
            return received[:24] + body[: len(body) - padding]
        if padding != at - len(expected):
            raise Disagreement(f"{describe(received)}: {at - len(expected)} octets of padding called {padding}")
        if length:
            security.challenge = received[at + 8 :]
        return received[:at][: len(expected)]
