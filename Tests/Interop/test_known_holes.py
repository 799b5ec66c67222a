"""The known classes of holes in implementations of DCE/RPC, one section each: what an attacker did elsewhere is tried here.

The classes are described in our own words; a CVE number names the best known case of one. The node stands in any case.
"""

import contextlib
import os
import resource
import struct
import uuid

import csvp
import pytest
from dcom import Association, Credentials, Fault
from lab import wait_until
from ntlm_wire import CONNECT, INTEGRITY, PRIVACY, AuthenticatedWire, SecurityContext, token, trailer
from pdus import (
    ALTER_CONTEXT,
    ALTER_CONTEXT_RESP,
    AUTH3,
    BIND,
    BIND_ACK,
    BIND_NAK,
    CO_CANCEL,
    EPMAPPER,
    FAULT,
    FIRST,
    LAST,
    MANAGEMENT,
    NDR20,
    OBJECT_EXPORTER,
    ORPHANED,
    REQUEST,
    RESPONSE,
    SHUTDOWN,
    Wire,
    bind,
    pdu,
    request,
)

pytestmark = pytest.mark.usefixtures("survives")

IS_LISTENING = 2
LISTENING = struct.pack("<LL", 0, 1)
ACTIVATOR = (uuid.UUID("000001a0-0000-0000-c000-000000000046"), 0, 0)
REMOTE_CREATE_INSTANCE = 4
ACCESS_DENIED, PROTOCOL_ERROR, BAD_STUB_DATA = 0x00000005, 0x1C01000B, 0x000006F7
CONTEXT_MISMATCH, SECURITY_PACKAGE = 0x1C00001A, 0x00000721
MEMORY = 96 << 20  # what an attack may cost at most while it lasts


@pytest.fixture
def address(lab):
    return lab.nodes[0]["address"], lab.nodes[0]["endpointMapperPort"]


@pytest.fixture
def wire(address):
    with Wire(*address) as connection:
        yield connection


@pytest.fixture
def sealed(address, credentials):
    with AuthenticatedWire(*address, credentials, MANAGEMENT) as connection:
        yield connection


@pytest.fixture(autouse=True)
def serves_on(address):
    """A stranger is answered after each attack as before."""
    yield
    with Wire(*address) as wire:
        bound(wire)
        assert wire.ask(request(IS_LISTENING)).stub == LISTENING


def bound(wire, interface=MANAGEMENT, **how):
    answer = wire.ask(bind([(0, interface, [NDR20])], **how))
    assert answer.kind == BIND_ACK and answer.results() == [(0, 0)]
    return answer


def refused(wire, *octets):
    """The attack is answered with a fault or a bind_nak, or with nothing, and the connection is closed."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        wire.send(*octets)
    answer = wire.receive()
    if answer is not None:
        assert answer.kind in (FAULT, BIND_NAK), f"PDU type {answer.kind} in answer to an attack"
        assert wire.receive() is None, "the connection is still open"
    return answer


def memory(node) -> int:
    with open(f"/proc/{node['pid']}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


# Fragments: lengths of a header that contradict each other, and fragments whose sum is more than what was made room for
# (CVE-2022-26809 is an integer that overflows while fragments are put together).


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 23, 5841, 0x8000, 0xFFFF])
def test_fragment_lengths_that_are_none(wire, length):
    """Shorter than its own fields, or longer than agreed: judged before anything is waited for, or when it has come."""
    bound(wire)
    octets = request(IS_LISTENING, length=length)
    assert refused(wire, octets + bytes(max(0, min(length, 5840) - len(octets)))).status == PROTOCOL_ERROR


@pytest.mark.parametrize("auth_length", [1, 8, 9, 16, 0x7FFF, 0xFFF0, 0xFFF8, 0xFFFF])
@pytest.mark.parametrize("kind", [BIND, ALTER_CONTEXT, AUTH3, REQUEST])
def test_authentication_longer_than_its_fragment(wire, kind, auth_length):
    """16 + 8 + auth_length wraps in sixteen bits for the largest."""
    if kind != BIND:
        bound(wire)
    octets = bytearray(pdu(kind, bytes(8)))
    octets[10:12] = struct.pack("<H", auth_length)
    answer = refused(wire, bytes(octets))
    assert answer is None or answer.kind == (BIND_NAK if kind == BIND else FAULT)


@pytest.mark.parametrize("padding", [1, 16, 200, 255])
def test_padding_longer_than_the_stub(sealed, padding):
    """The stub's length would be less than nothing. The signature is right: the client itself is the attacker."""
    answer = refused(sealed, sealed.security.request(IS_LISTENING, b"", padding=padding, call=2))
    assert answer.status == PROTOCOL_ERROR


@pytest.mark.parametrize("hint", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_allocation_hints_that_lie(wire, lab, hint):
    """Nobody makes room for what is only announced."""
    bound(wire)
    before = memory(lab.nodes[0])
    wire.send(request(IS_LISTENING, bytes(1000), hint=hint, flags=FIRST, call=2))
    wire.send(request(IS_LISTENING, bytes(1000), hint=hint, flags=LAST, call=2))
    answer = wire.receive()
    # The method has no parameters, and its interface lets octets behind them pass.
    assert answer.kind == RESPONSE or answer.status == ACCESS_DENIED
    assert memory(lab.nodes[0]) - before < MEMORY


def test_fragments_without_end(wire, lab):
    """A stranger's request is at most 64 KiB, in however many fragments it comes."""
    bound(wire)
    before = memory(lab.nodes[0])
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        wire.send(request(IS_LISTENING, bytes(5000), flags=FIRST, hint=0, call=2))
        for _ in range(4000):
            wire.send(request(IS_LISTENING, bytes(5000), flags=0, hint=0, call=2))
    assert memory(lab.nodes[0]) - before < MEMORY
    answer = wire.receive()
    assert answer is None or answer.status == ACCESS_DENIED


def test_empty_fragments_without_end(wire, lab):
    """Fragments that add nothing cost nothing but their way."""
    bound(wire)
    before = memory(lab.nodes[0])
    wire.send(request(IS_LISTENING, flags=FIRST, call=2))
    for _ in range(200):
        wire.send(*[request(IS_LISTENING, flags=0, call=2)] * 100)
    assert wire.ask(request(IS_LISTENING, flags=LAST, call=2)).stub == LISTENING
    assert memory(lab.nodes[0]) - before < MEMORY


def test_fragments_of_two_calls_are_not_joined(wire):
    bound(wire)
    wire.send(request(IS_LISTENING, b"a" * 16, flags=FIRST, call=2))
    assert refused(wire, request(IS_LISTENING, b"b" * 16, flags=LAST, call=3)).status == PROTOCOL_ERROR


def test_a_call_is_not_begun_twice(wire):
    bound(wire)
    wire.send(request(IS_LISTENING, b"a" * 16, flags=FIRST, call=2))
    assert refused(wire, request(IS_LISTENING, b"b" * 16, flags=FIRST | LAST, call=2)).status == PROTOCOL_ERROR


# State: PDUs where they do not belong, and fields of later legs that are not those of the first (CVE-2015-5370: a server that
# believed them read what it had not checked).


@pytest.mark.parametrize("kind", [kind for kind in range(22) if kind != BIND])
def test_anything_before_a_bind(wire, kind):
    """Only a bind begins an association; whatever else comes first ends the connection, or is ignored (cancels)."""
    wire.send(pdu(kind, bytes(32)))
    if kind in (CO_CANCEL, ORPHANED):
        bound(wire)
    else:
        answer = wire.receive()
        assert answer is None or answer.kind == FAULT and wire.receive() is None


@pytest.mark.parametrize("kind", [RESPONSE, FAULT, BIND_ACK, BIND_NAK, ALTER_CONTEXT_RESP, SHUTDOWN])
def test_a_server_pdu_from_a_client(wire, kind):
    bound(wire)
    assert refused(wire, pdu(kind, b"" if kind == SHUTDOWN else bytes(32))) is None


def test_a_second_bind(wire):
    bound(wire)
    assert refused(wire, bind([(0, MANAGEMENT, [NDR20])], call=2)).kind == BIND_NAK


def test_an_auth3_without_an_exchange(wire, credentials):
    bound(wire)
    octets = pdu(AUTH3, bytes(4), auth=SecurityContext(credentials).first)
    assert refused(wire, octets).status == PROTOCOL_ERROR


@pytest.mark.parametrize(
    "change",
    [{"kind": 9}, {"kind": 16}, {"level": CONNECT}, {"level": INTEGRITY}, {"level": 0}, {"context": 1}, {"context": 79231}],
)
def test_a_last_leg_that_differs_from_the_first(wire, credentials, change):
    """Provider, level and context of an auth3 are those of the bind, or it is refused."""
    security = SecurityContext(credentials)
    answer = wire.ask(bind([(0, MANAGEMENT, [NDR20])], auth=security.first))
    last = trailer(**{"level": PRIVACY, **change}) + security.answer(token(answer.octets))[8:]
    assert refused(wire, pdu(AUTH3, bytes(4), auth=last)).status == PROTOCOL_ERROR


def test_a_request_between_the_legs(wire, credentials):
    """The exchange has begun, so nobody is anonymous any more; it has not ended, so nobody is somebody yet."""
    security = SecurityContext(credentials)
    wire.ask(bind([(0, MANAGEMENT, [NDR20])], auth=security.first))
    assert refused(wire, request(IS_LISTENING, call=2)).kind == FAULT


def test_an_auth3_twice(sealed):
    again = trailer() + sealed.security.negotiate.getData()
    assert refused(sealed, pdu(AUTH3, bytes(4), auth=again)).status == PROTOCOL_ERROR


@pytest.mark.parametrize("level", [PRIVACY, INTEGRITY, CONNECT])
def test_a_context_is_not_made_anew(sealed, credentials, level):
    """An alter_context that authenticates a finished context once more: as somebody else, or at another level."""
    again = SecurityContext(credentials, level, identifier=sealed.security.identifier)
    answer = refused(sealed, bind([(0, MANAGEMENT, [NDR20])], kind=ALTER_CONTEXT, auth=again.first, call=2))
    assert answer.status in (ACCESS_DENIED, PROTOCOL_ERROR)


@pytest.mark.parametrize("count", [2, 8])
def test_requests_in_a_context_that_failed(wire, credentials, count):
    """A wrong password: the auth3 has no answer, and no call is served, however many are tried."""
    security = SecurityContext(Credentials(credentials.domain, credentials.user, "wrong"))
    answer = wire.ask(bind([(0, MANAGEMENT, [NDR20])], auth=security.first))
    wire.send(pdu(AUTH3, bytes(4), auth=security.answer(token(answer.octets))))
    assert refused(wire, *[security.request(IS_LISTENING, call=2 + n) for n in range(count)]).status == ACCESS_DENIED


def test_a_request_in_a_context_that_was_not_accepted(wire):
    """A presentation context that was offered and refused is none."""
    unknown = (uuid.UUID(int=1), 1, 0)
    wire.ask(bind([(0, MANAGEMENT, [NDR20]), (1, unknown, [NDR20])]))
    assert wire.ask(request(IS_LISTENING, context=1, call=2)).status == 0x1C010003
    assert wire.ask(request(IS_LISTENING, context=0, call=3)).stub == LISTENING


def test_a_presentation_context_does_not_change_its_meaning(wire):
    bound(wire)
    octets = bind([(0, OBJECT_EXPORTER, [NDR20])], kind=ALTER_CONTEXT, call=2)
    assert refused(wire, octets).status == PROTOCOL_ERROR


# Downgrade: less protection than was agreed on, by a trailer that says so, by leaving it out, or by bits that an attacker
# takes out of the exchange (CVE-2016-2118, CVE-2016-2110, CVE-2019-1040).


@pytest.mark.parametrize("level", [0, 1, CONNECT, 3, 4, INTEGRITY, 7, 255])
def test_a_request_below_its_level(sealed, level):
    """The trailer names another level than the context has."""
    assert sealed.invoke(IS_LISTENING)[1] == LISTENING
    answer = refused(sealed, sealed.security.request(IS_LISTENING, call=9, level=level))
    assert answer.status in (ACCESS_DENIED, PROTOCOL_ERROR)


def test_a_request_without_its_trailer_is_a_strangers(address, credentials):
    """Whoever leaves the protection out is nobody: what needs somebody refuses him."""
    with AuthenticatedWire(*address, credentials, ACTIVATOR) as wire:
        answer = wire.ask(request(REMOTE_CREATE_INSTANCE, bytes(64), call=5))
        assert answer is None or answer.status == ACCESS_DENIED


def test_a_fragment_without_its_trailer(sealed):
    """The first fragment is sealed, the second is not: an attacker's stub behind an honest beginning."""
    sealed.send(sealed.security.request(IS_LISTENING, bytes(16), flags=FIRST, call=2))
    assert refused(sealed, request(IS_LISTENING, bytes(16), flags=LAST, call=2)).status == PROTOCOL_ERROR


@pytest.mark.parametrize("level", [CONNECT, 3, 4])
def test_activation_below_integrity(address, credentials, level):
    """An activation that nothing protects is refused, whoever asks (CVE-2021-26414)."""
    with AuthenticatedWire(*address, credentials, ACTIVATOR, level=level) as wire:
        wire.security.level = level if level == CONNECT else INTEGRITY
        answer, _ = wire.invoke(REMOTE_CREATE_INSTANCE, bytes(64), **({} if level == CONNECT else {"level": level}))
        assert answer.status == ACCESS_DENIED


@pytest.mark.parametrize("flag", [0x30, 0x20, 0x80000, 0x20000000, 0x40000000])
def test_an_exchange_without_protection(wire, credentials, flag):
    """SIGN and SEAL, SEAL, extended session security, 128 bits, key exchange: left out of NEGOTIATE, sealing is not agreed on."""
    security = SecurityContext(credentials)
    octets = bytearray(security.negotiate.getData())
    flags = struct.unpack("<L", octets[12:16])[0] & ~flag
    octets[12:16] = struct.pack("<L", flags)
    answer = wire.ask(bind([(0, MANAGEMENT, [NDR20])], auth=trailer() + bytes(octets)))
    if answer.kind == BIND_ACK:
        agreed = struct.unpack("<L", token(answer.octets)[20:24])[0]
        assert agreed & flag == 0, "the server puts back what the client took out"
        security.negotiate["flags"] = flags
        wire.send(pdu(AUTH3, bytes(4), auth=security.answer(token(answer.octets))))
        assert refused(wire, request(IS_LISTENING, call=2)).status == ACCESS_DENIED
    else:
        assert answer.kind == BIND_NAK


@pytest.mark.parametrize("response", [b"", b"\0", bytes(16), bytes(24), bytes(60), bytes(300)])
def test_a_proof_of_zeroes(wire, credentials, response):
    """No proof at all, LM's, NTLMv1's, or one of zeroes: the class in which an empty proof is taken for an anonymous or a
    machine's logon (CVE-2020-1472 is its best known case)."""
    security = SecurityContext(credentials)
    answer = wire.ask(bind([(0, ACTIVATOR, [NDR20])], auth=security.first))
    domain, user = credentials.domain.encode("utf-16-le"), credentials.user.encode("utf-16-le")
    parts = [bytes(24), response, domain, user, b"", bytes(16)]
    at, fields = 88, b""
    for part in parts:
        fields, at = fields + struct.pack("<HHL", len(part), len(part), at), at + len(part)
    flags = struct.unpack("<L", token(answer.octets)[20:24])[0]
    message = b"NTLMSSP\0" + struct.pack("<L", 3) + fields + struct.pack("<L", flags) + bytes(8 + 16) + b"".join(parts)
    wire.send(pdu(AUTH3, bytes(4), auth=trailer() + message))
    tail = trailer() + bytes(16)
    assert refused(wire, request(REMOTE_CREATE_INSTANCE, bytes(16), call=2, auth=tail)).status == ACCESS_DENIED


@pytest.mark.parametrize("order", ["replayed", "swapped", "dropped"])
def test_sealed_requests_come_once_and_in_order(sealed, order):
    first, second = (sealed.security.request(IS_LISTENING, call=call) for call in (2, 3))
    sequence = {"replayed": [first, first], "swapped": [second], "dropped": [second]}[order]
    if order == "replayed":
        assert sealed.ask(first).kind == RESPONSE
        sequence = [first]
    assert refused(sealed, *sequence).status == SECURITY_PACKAGE


# Confusion: a handle, an identifier or a group of one association used on another one, by the same client or by another.


def lookup(wire, handle=bytes(20), maximum=1):
    """(handle, status) of ept_lookup of all entries."""
    stub = struct.pack("<LLLL", 0, 0, 0, 1) + handle + struct.pack("<L", maximum)
    answer = wire.ask(request(2, stub))
    return answer if answer.kind == FAULT else (answer.stub[:20], struct.unpack("<L", answer.stub[-4:])[0])


def test_a_handle_of_another_association(address):
    """Context handles belong to the association group that they were made in ([C706] 5.1.6)."""
    with Wire(*address) as one, Wire(*address) as other:
        bound(one, EPMAPPER)
        bound(other, EPMAPPER)
        handle, status = lookup(one)
        assert status == 0 and handle != bytes(20)
        assert lookup(other, handle).status == CONTEXT_MISMATCH
        assert lookup(one, handle)[1] == 0, "the attempt has hurt the owner's handle"


def test_forged_and_freed_handles(wire):
    """A handle is forged, freed, and used after it was freed: each is a mismatch."""
    bound(wire, EPMAPPER)
    handle, _ = lookup(wire)
    for position in range(20):
        forged = bytearray(handle)
        forged[position] ^= 1
        assert lookup(wire, bytes(forged)).status == CONTEXT_MISMATCH
    assert wire.ask(request(4, handle)).stub == bytes(24)
    assert lookup(wire, handle).status == CONTEXT_MISMATCH
    assert wire.ask(request(4, handle)).status == CONTEXT_MISMATCH


def test_a_security_context_of_another_association(address, credentials):
    """A request that was sealed for one connection, sent on another that has a context by the same number."""
    with (
        AuthenticatedWire(*address, credentials, MANAGEMENT) as one,
        AuthenticatedWire(*address, credentials, MANAGEMENT) as other,
    ):
        assert refused(other, one.security.request(IS_LISTENING, call=2)).status == SECURITY_PACKAGE
        answer = one.ask(one.security.request(IS_LISTENING, call=2))
        assert answer.status == SECURITY_PACKAGE, "the first of its requests has gone elsewhere"


def test_two_identities_on_one_association(sealed, credentials):
    """Each call is in the name of the context that sealed it; a request sealed by one and labelled as the other's is nobody's."""
    second = SecurityContext(credentials, identifier=7)
    sealed.leg(second, MANAGEMENT)
    assert sealed.invoke(IS_LISTENING)[1] == LISTENING
    assert sealed.invoke(IS_LISTENING, security=second)[1] == LISTENING
    answer = refused(sealed, second.request(IS_LISTENING, call=9, identifier=sealed.security.identifier))
    assert answer.status == SECURITY_PACKAGE


# Use after release: an object's identifier when the object is gone, or never was.


def test_an_object_after_its_release(clients, credentials):
    """Every interface of it, on the association that it had and on another one."""
    setup = clients.setup()
    proxy = setup.proxy
    second = Association(*proxy.object._binding(), credentials)
    assert setup.host_label()[0] == csvp.S_OK
    call = (5, b"\x05\0\x07\0" + bytes(28))
    clients.objects.remove(proxy.object)
    assert proxy.object.release() == 0
    for association in (proxy.object.association, second):
        with pytest.raises(Fault) as caught:
            association.request(association.bind(csvp.IID_IClusterSetup), call, proxy.ipid)
        assert caught.value.status in (0x80010108, 0x80010113, 0x80010114)  # disconnected, invalid IPID or object
    proxy.object.close()
    second.close()


def test_releases_beyond_the_last(clients):
    """More references are given back than there are; the count does not wrap, and the object is gone once."""
    setup = clients.setup()
    object_ = setup.proxy.object
    clients.objects.remove(object_)
    for count in (0xFFFFFFFF, 0x7FFFFFFF, 5):
        with contextlib.suppress(Fault):
            object_.release(count)
    with pytest.raises(Fault):
        setup.proxy.call_raw((5, b"\x05\0\x07\0" + bytes(28)))
    object_.close()


def test_forged_object_identifiers(clients):
    setup = clients.setup()
    proxy = setup.proxy
    for position in range(16):
        forged = bytearray(proxy.ipid)
        forged[position] ^= 0x10
        association = proxy.object.association
        with pytest.raises(Fault) as caught:
            association.request(association.bind(csvp.IID_IClusterSetup), (5, b"\x05\0\x07\0" + bytes(28)), bytes(forged))
        assert caught.value.status & 0x80010000 == 0x80010000
    assert setup.host_label()[0] == csvp.S_OK


# Bombs: few octets that ask for much memory or time.


def faults(wire, opnum, stub, *statuses):
    answer = wire.ask(request(opnum, stub, call=2))
    assert answer.kind == FAULT and answer.status in (statuses or (BAD_STUB_DATA,))


@pytest.mark.parametrize("count", [0x100, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFF])
def test_counts_without_elements(wire, lab, count):
    """A tower, and an array of objects to ping, which say that they are long, and end (CVE-2012-1182 made room for one count and
    read by another)."""
    bound(wire, EPMAPPER)
    before = memory(lab.nodes[0])
    tower = struct.pack("<LLLL", 0, 1, count, count)
    faults(wire, 3, tower)
    faults(wire, 3, struct.pack("<LLLL", 0, 1, count, 4) + bytes(4) + bytes(20) + struct.pack("<L", 1))
    wire.ask(bind([(1, OBJECT_EXPORTER, [NDR20])], kind=ALTER_CONTEXT, call=3))
    ping = struct.pack("<QHHHHLL", 0, 1, 0xFFFF, 0, 0, 0x20000, count)
    answer = wire.ask(request(2, ping, context=1, call=4))
    assert answer.kind == FAULT
    assert memory(lab.nodes[0]) - before < MEMORY


@pytest.mark.parametrize("maximum", [500, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_answer_as_large_as_the_client_wishes(wire, lab, maximum):
    """max_ents is an upper bound of the client's; what is made room for is what there is."""
    bound(wire, EPMAPPER)
    before = memory(lab.nodes[0])
    answer = lookup(wire, maximum=maximum)
    assert not isinstance(answer, tuple) or answer[1] in (0, 0x16C9A0D6)
    assert memory(lab.nodes[0]) - before < MEMORY


def test_handles_without_end(wire, lab):
    """Inquiries that are begun and never finished are limited for each group, and for all."""
    bound(wire, EPMAPPER)
    before = memory(lab.nodes[0])
    for _ in range(3000):
        lookup(wire)
    assert memory(lab.nodes[0]) - before < MEMORY


def test_contexts_without_end(wire, lab):
    """Presentation contexts are limited; who wants more is refused."""
    bound(wire)
    before = memory(lab.nodes[0])
    for number in range(1, 5000):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            wire.send(bind([(number, MANAGEMENT, [NDR20])], kind=ALTER_CONTEXT, call=number + 1))
        answer = wire.receive()
        if answer is None or answer.kind != ALTER_CONTEXT_RESP:
            break
    else:
        pytest.fail("5,000 presentation contexts were accepted")
    assert memory(lab.nodes[0]) - before < MEMORY


def test_security_contexts_without_end(wire, lab, credentials):
    """Exchanges that are begun and never finished."""
    bound(wire)
    before = memory(lab.nodes[0])
    for identifier in range(3000):
        first = SecurityContext(credentials, identifier=identifier).first
        answer = wire.ask(bind([(0, MANAGEMENT, [NDR20])], kind=ALTER_CONTEXT, auth=first, call=identifier + 2))
        if answer is None or answer.kind != ALTER_CONTEXT_RESP:
            break
    else:
        pytest.fail("3,000 unfinished security contexts were accepted")
    assert memory(lab.nodes[0]) - before < MEMORY


def test_connections_that_say_nothing(address, lab):
    """Half a header each: descriptors are given back when the clients go."""
    folder = f"/proc/{lab.nodes[0]['pid']}/fd"
    before = len(os.listdir(folder))
    silent = [Wire(*address) for _ in range(100)]
    for wire in silent:
        with contextlib.suppress(OSError):  # the limit for one address may be lower
            wire.send(b"\x05\0\x0b\x03\x10\0\0\0")
    for wire in silent:
        wire.close()
    wait_until(lambda: len(os.listdir(folder)) <= before, 20, "the descriptors to be given back")
