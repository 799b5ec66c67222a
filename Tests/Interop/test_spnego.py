"""SPNEGO over NTLM, token by token: impacket's cryptography, and DER that is written by hand after RFC 4178."""

import pytest
from impacket import ntlm
from ntlm_wire import CONNECT, INTEGRITY, PRIVACY, SecurityContext, token, trailer
from pdus import (
    ALTER_CONTEXT,
    ALTER_CONTEXT_RESP,
    AUTH3,
    BIND,
    BIND_ACK,
    BIND_NAK,
    FAULT,
    MANAGEMENT,
    NDR20,
    RESPONSE,
    Wire,
    bind,
    pdu,
)

pytestmark = pytest.mark.usefixtures("survives")

SPNEGO = 9

OID_SPNEGO = bytes.fromhex("06062b0601050502")
OID_NTLM = bytes.fromhex("060a2b06010401823702020a")
OID_NEGOEX = bytes.fromhex("060a2b06010401823702021e")
ACCEPT_COMPLETED, ACCEPT_INCOMPLETE, REQUEST_MIC = 0, 1, 3


def tlv(tag, *contents):
    body = b"".join(contents)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def parts(octets):
    """[(tag, contents)] of what stands side by side."""
    found = []
    while octets:
        length, start = octets[1], 2
        if length >= 128:
            start += length & 127
            length = int.from_bytes(octets[2:start], "big")
        found.append((octets[0], octets[start : start + length]))
        octets = octets[start + length :]
    return found


def offer(mechanisms, first=None):
    fields = [tlv(0xA0, tlv(0x30, *mechanisms))]
    if first is not None:
        fields.append(tlv(0xA2, tlv(0x04, first)))
    return tlv(0x60, OID_SPNEGO, tlv(0xA0, tlv(0x30, *fields)))


def response(value=None, code=None):
    fields = [tlv(0xA0 + number, tlv(0x04, field)) for number, field in ((2, value), (3, code)) if field is not None]
    return tlv(0xA1, tlv(0x30, *fields))


def read(octets):
    """{field: contents} of a NegTokenResp: 0 the state, 1 the mechanism, 2 the token, 3 the code."""
    ((choice, sequence),) = parts(octets)
    assert choice == 0xA1, octets.hex()
    ((_, fields),) = parts(sequence)
    found = {tag - 0xA0: parts(value)[0][1] for tag, value in parts(fields)}
    return {**found, 0: found[0][0]} if 0 in found else found


class Negotiation(SecurityContext):
    """One SPNEGO exchange with NTLM in it."""

    kind = SPNEGO

    def __init__(self, credentials, level, mechanisms=(OID_NTLM,)):
        super().__init__(credentials, level)
        self.mechanisms = tlv(0x30, *mechanisms)

    def authenticate(self, challenge, vouches=False, code=None):
        """The client's last token, with a code over its list of mechanisms or without."""
        message = self.answer(challenge)[8:]
        if vouches:
            code = self.code("Client")
            # The codes have the number 0; the key streams begin afresh for the first messages ([MS-SPNG] 3.2.5.1).
            self.sequence = self.received = 1
        return response(message, code)

    def code(self, side):
        seal = ntlm.ARC4.new(ntlm.SEALKEY(self.flags, self.session, side)).encrypt
        return ntlm.SIGN(self.flags, ntlm.SIGNKEY(self.flags, self.session, side), self.mechanisms, 0, seal).getData()


class Client(Wire):
    """A connection to the endpoint mapper's port, where the management interface is, too."""

    def __init__(self, lab, credentials, level=PRIVACY, mechanisms=(OID_NTLM,)):
        node = lab.nodes[0]
        super().__init__(node["address"], node["endpointMapperPort"])
        self.security = Negotiation(credentials, level, mechanisms)

    def leg(self, kind, value):
        """The answer's token; the answer itself where it has none."""
        tail = trailer(self.security.level, kind=SPNEGO) + value
        if kind == AUTH3:
            return self.send(pdu(AUTH3, bytes(4), auth=tail))
        answer = self.ask(bind([(0, MANAGEMENT, [NDR20])], kind=kind, auth=tail))
        assert answer is not None
        return token(answer.octets) if answer.kind in (BIND_ACK, ALTER_CONTEXT_RESP) else answer

    def challenge(self):
        """The first two legs, where the server takes the client's first mechanism."""
        found = read(self.leg(BIND, offer([OID_NTLM], self.security.negotiate.getData())))
        assert found[0] == ACCEPT_INCOMPLETE and found[1] == OID_NTLM[2:]
        return found[2]

    def listens(self):
        """Calls is_server_listening, protected as agreed."""
        answer = self.ask(self.security.request(2, call=2))
        assert answer.kind == RESPONSE, f"PDU type {answer.kind}"
        return self.security.open(answer.octets)[-4:] == bytes([1, 0, 0, 0])


#: What accept-completed alone is.
COMPLETED = bytes.fromhex("a1073005a0030a0100")
LEVELS = pytest.mark.parametrize("level", [CONNECT, INTEGRITY, PRIVACY])


@LEVELS
@pytest.mark.parametrize("last", [AUTH3, ALTER_CONTEXT])
def test_without_codes(lab, credentials, level, last):
    client = Client(lab, credentials, level)
    answer = client.leg(last, client.security.authenticate(client.challenge()))
    assert answer == (COMPLETED if last == ALTER_CONTEXT else None)
    assert client.listens()


@pytest.mark.parametrize("level", [INTEGRITY, PRIVACY])
def test_with_codes(lab, credentials, level):
    client = Client(lab, credentials, level)
    found = read(client.leg(ALTER_CONTEXT, client.security.authenticate(client.challenge(), vouches=True)))
    assert found == {0: ACCEPT_COMPLETED, 3: client.security.code("Server")}
    assert client.listens()
    assert client.listens()


@pytest.mark.parametrize("vouches", [True, False])
def test_the_clients_second_choice(lab, credentials, vouches):
    """The optimistic token is of a mechanism that the node has not."""
    client = Client(lab, credentials, mechanisms=(OID_NEGOEX, OID_NTLM))
    found = read(client.leg(BIND, offer([OID_NEGOEX, OID_NTLM], b"NEGOEXTS")))
    assert found == {0: REQUEST_MIC, 1: OID_NTLM[2:]}
    found = read(client.leg(ALTER_CONTEXT, response(client.security.negotiate.getData())))
    assert found[0] == ACCEPT_INCOMPLETE and 1 not in found
    answer = client.leg(ALTER_CONTEXT, client.security.authenticate(found[2], vouches))
    if vouches:
        assert read(answer)[3] == client.security.code("Server")
        assert client.listens()
    else:
        assert answer.kind == FAULT


def test_a_shortened_list(lab, credentials):
    """The client meant to offer NEGOEX, too; somebody on the way removed it."""
    client = Client(lab, credentials, mechanisms=(OID_NEGOEX, OID_NTLM))
    answer = client.leg(ALTER_CONTEXT, client.security.authenticate(client.challenge(), vouches=True))
    assert answer.kind == FAULT


@pytest.mark.parametrize("code", [b"", bytes(16), b"\1" * 15])
def test_wrong_codes(lab, credentials, code):
    client = Client(lab, credentials)
    answer = client.leg(ALTER_CONTEXT, client.security.authenticate(client.challenge(), code=code))
    assert answer.kind == FAULT


def test_ntlm_without_spnego_around_it(lab, credentials):
    client = Client(lab, credentials)
    challenge = client.leg(BIND, client.security.negotiate.getData())
    assert challenge.startswith(b"NTLMSSP\0")
    client.leg(AUTH3, client.security.answer(challenge)[8:])
    assert client.listens()


def test_a_token_in_pieces(lab, credentials):
    """[MS-SPNG] 3.1.5.9: what is not whole is answered with nothing, and waited for."""
    client = Client(lab, credentials)
    whole = offer([OID_NTLM], client.security.negotiate.getData())
    assert client.leg(BIND, whole[:20]) == b""
    found = read(client.leg(ALTER_CONTEXT, whole[20:]))
    client.leg(AUTH3, client.security.authenticate(found[2]))
    assert client.listens()


@pytest.mark.parametrize(
    "value", [offer([OID_NEGOEX], b"NEGOEXTS"), offer([]), response(b"1"), b"\x60\x84\xff\xff\xff\xff", bytes(100)]
)
def test_offers_that_nobody_can_take(lab, credentials, value):
    client = Client(lab, credentials)
    answer = client.leg(BIND, value)
    assert answer.kind == BIND_NAK


def test_a_wrong_password(lab, credentials):
    wrong = type(credentials)(credentials.domain, credentials.user, "wrong")
    client = Client(lab, wrong)
    assert client.leg(ALTER_CONTEXT, client.security.authenticate(client.challenge())).kind == FAULT
