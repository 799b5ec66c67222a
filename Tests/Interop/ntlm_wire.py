"""A connection that is authenticated by NTLM, leg by leg, and signs or seals what it is told to: right or wrong.

impacket's client does all legs at once and sends nothing that is wrong; only its cryptography is used here.
"""

from __future__ import annotations

import struct

from impacket import ntlm
from pdus import ALTER_CONTEXT, AUTH3, BIND, BIND_ACK, FIRST, LAST, NDR20, OBJECT_UUID, REQUEST, Wire, bind, pdu

NTLM = 10
CONNECT, CALL, PACKET, INTEGRITY, PRIVACY = 2, 3, 4, 5, 6


def trailer(level: int = PRIVACY, padding: int = 0, context: int = 0, kind: int = NTLM) -> bytes:
    """The security trailer, without its authentication value ([MS-RPCE] 2.2.2.11)."""
    return struct.pack("<BBBBL", kind, level, padding, 0, context)


class SecurityContext:
    """The client's half of one NTLM exchange, and then of the protection that it agreed on."""

    kind = NTLM

    def __init__(self, credentials, level: int = PRIVACY, identifier: int = 0):
        self.credentials, self.level, self.identifier = credentials, level, identifier
        self.negotiate = ntlm.getNTLMSSPType1("", "", signingRequired=True, use_ntlmv2=True)
        self.sequence = self.received = 0

    @property
    def first(self) -> bytes:
        """The trailer and NEGOTIATE."""
        return trailer(self.level, context=self.identifier, kind=self.kind) + self.negotiate.getData()

    def answer(self, challenge: bytes) -> bytes:
        """The trailer and AUTHENTICATE."""
        who = self.credentials
        message, key = ntlm.getNTLMSSPType3(
            self.negotiate, challenge, who.user, who.password, who.domain, use_ntlmv2=True
        )
        self.flags, self.session = message["flags"], key
        self.client_key, self.server_key = ntlm.SIGNKEY(self.flags, key), ntlm.SIGNKEY(self.flags, key, b"Server")
        self.client_seal = ntlm.ARC4.new(ntlm.SEALKEY(self.flags, key)).encrypt
        self.server_seal = ntlm.ARC4.new(ntlm.SEALKEY(self.flags, key, b"Server")).encrypt
        return trailer(self.level, context=self.identifier, kind=self.kind) + message.getData()

    def request(
        self, opnum, stub=b"", context=0, object_id=None, call=1, flags=FIRST | LAST, hint=None, level=None,
        identifier=None, padding=None,
    ) -> bytes:  # fmt: skip
        """A request, signed or sealed at the context's level, whatever its trailer says."""
        fixed = struct.pack("<LHH", len(stub) if hint is None else hint, context, opnum)
        if object_id is not None:
            fixed, flags = fixed + object_id, flags | OBJECT_UUID
        fill = -len(stub) % 16
        body = stub + bytes(fill)
        tail = trailer(
            self.level if level is None else level, fill if padding is None else padding,
            self.identifier if identifier is None else identifier, self.kind,
        )  # fmt: skip
        head = pdu(REQUEST, fixed + body, flags=flags, call=call, auth=tail + bytes(16))[: 16 + len(fixed)]
        if self.level == PRIVACY:
            sealed, signature = ntlm.SEAL(
                self.flags, self.client_key, None, head + body + tail, body, self.sequence, self.client_seal
            )
        elif self.level > CONNECT:
            sealed = body
            signature = ntlm.SIGN(self.flags, self.client_key, head + body + tail, self.sequence, self.client_seal)
        else:
            return head + body + tail + bytes(16)
        self.sequence += 1
        return head + sealed + tail + signature.getData()

    def open(self, answer: bytes) -> bytes:
        """The stub of a response; an assertion fails if its signature is wrong."""
        if self.level <= CONNECT:
            return answer[24:]
        end = len(answer) - 24
        body, tail, value = answer[24:end], answer[end : end + 8], answer[end + 8 :]
        if self.level == PRIVACY:
            body = self.server_seal(body)
        expected = ntlm.SIGN(
            self.flags, self.server_key, answer[:24] + body + tail, self.received, self.server_seal
        ).getData()
        assert expected == value, "the response's signature is wrong"
        self.received += 1
        return body[: len(body) - tail[2]]


class AuthenticatedWire(Wire):
    """Bound to one interface as presentation context 0, with one security context."""

    def __init__(
        self, address: str, port: int, credentials, interface, level: int = PRIVACY, flags=FIRST | LAST, origin=None
    ):  # fmt: skip
        super().__init__(address, port, origin)
        self.security = SecurityContext(credentials, level)
        self.call = 1
        self.ack = self.leg(self.security, interface, BIND, flags)

    def leg(self, security: SecurityContext, interface, kind=ALTER_CONTEXT, flags=FIRST | LAST, context=0):
        """Makes a security context: the server's answer to the first leg; the last one has none."""
        offers = [(context, interface, [NDR20])]
        answer = self.ask(bind(offers, kind=kind, auth=security.first, flags=flags, call=self.call))
        assert answer is not None and answer.kind in (BIND_ACK, BIND_ACK + 3), "the first leg was refused"
        self.send(pdu(AUTH3, bytes(4), call=self.call, auth=security.answer(token(answer.octets))))
        return answer

    def invoke(self, opnum, stub=b"", security: SecurityContext | None = None, **how):
        """(answer, its stub if it is a response)."""
        security = security or self.security
        self.call += 1
        answer = self.ask(security.request(opnum, stub, call=self.call, **how))
        return answer, security.open(answer.octets) if answer is not None and answer.kind == 2 else None


def token(octets: bytes) -> bytes:
    """The authentication value at a PDU's end."""
    length = struct.unpack("<H", octets[10:12])[0]
    return octets[len(octets) - length :]
