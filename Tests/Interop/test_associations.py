"""Associations: what is negotiated, and what becomes of peers that break the rules. The node stands in any case."""

import resource
import struct
import uuid
from pathlib import Path

import pytest
from pdus import (
    ALTER_CONTEXT,
    ALTER_CONTEXT_RESP,
    AUTH3,
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
    RESPONSE,
    SHUTDOWN,
    Wire,
    bind,
    pdu,
    request,
)

pytestmark = pytest.mark.usefixtures("survives")

PROTOCOL_ERROR = 0x1C01000B
UNKNOWN_INTERFACE = 0x1C010003
OPERATION_RANGE = 0x1C010002
BAD_STUB_DATA = 0x000006F7
CONTEXT_MISMATCH = 0x1C00001A
ACCEPTED, PROVIDER_REJECTION, NEGOTIATE_ACK = 0, 2, 3
ABSTRACT_SYNTAX_NOT_SUPPORTED, TRANSFER_SYNTAXES_NOT_SUPPORTED = 1, 2
NDR64 = (uuid.UUID("71710533-beba-4937-8319-b5dbef9ccc36"), 1, 0)
UNKNOWN = (uuid.UUID("01234567-89ab-cdef-0123-456789abcdef"), 1, 0)
IS_LISTENING = 2
SERVER_ALIVE = 3


@pytest.fixture
def wire(lab):
    node = lab.nodes[0]
    with Wire(node["address"], node["endpointMapperPort"]) as connection:
        yield connection


def bound(wire, interface=MANAGEMENT, **how):
    answer = wire.ask(bind([(0, interface, [NDR20])], **how))
    assert answer.kind == BIND_ACK and answer.results() == [(ACCEPTED, 0)]
    return answer


def still_serves(lab):
    node = lab.nodes[0]
    with Wire(node["address"], node["endpointMapperPort"]) as wire:
        bound(wire)
        assert wire.ask(request(IS_LISTENING)).stub == struct.pack("<LL", 0, 1)


# Binding


def test_several_contexts_in_one_bind(wire):
    answer = wire.ask(
        bind(
            [
                (0, MANAGEMENT, [NDR20]),
                (1, UNKNOWN, [NDR20]),
                (2, EPMAPPER, [UNKNOWN]),
                (3, EPMAPPER, [UNKNOWN, NDR20]),
                (7, OBJECT_EXPORTER, [NDR20]),
            ]
        )
    )
    assert answer.kind == BIND_ACK
    assert answer.results() == [
        (ACCEPTED, 0),
        (PROVIDER_REJECTION, ABSTRACT_SYNTAX_NOT_SUPPORTED),
        (PROVIDER_REJECTION, TRANSFER_SYNTAXES_NOT_SUPPORTED),
        (ACCEPTED, 0),
        (ACCEPTED, 0),
    ]
    assert wire.ask(request(IS_LISTENING, context=0, call=2)).stub == struct.pack("<LL", 0, 1)
    assert wire.ask(request(SERVER_ALIVE, context=7, call=3)).stub == b"\0\0\0\0"
    assert wire.ask(request(IS_LISTENING, context=1, call=4)).kind == FAULT


def test_bind_time_features(wire):
    """[MS-RPCE] 3.3.1.5.3: a transfer syntax that is a bitmask of features is answered negotiate_ack."""
    features = (uuid.UUID("6cb71c2c-9812-4540-0300-000000000000"), 1, 0)
    answer = wire.ask(bind([(0, MANAGEMENT, [NDR20]), (1, MANAGEMENT, [features])]))
    first, second = answer.results()
    assert first == (ACCEPTED, 0)
    assert second[0] == NEGOTIATE_ACK


def test_alter_context_adds_one(wire):
    bound(wire)
    answer = wire.ask(bind([(5, OBJECT_EXPORTER, [NDR20])], kind=ALTER_CONTEXT, call=2))
    assert answer.kind == ALTER_CONTEXT_RESP and answer.results() == [(ACCEPTED, 0)]
    assert wire.ask(request(SERVER_ALIVE, context=5, call=3)).stub == b"\0\0\0\0"
    assert wire.ask(request(IS_LISTENING, context=0, call=4)).kind == RESPONSE


def test_association_groups(lab):
    node = lab.nodes[0]
    with Wire(node["address"], node["endpointMapperPort"]) as first:
        group = bound(first).group
        assert group != 0
        with Wire(node["address"], node["endpointMapperPort"]) as second:
            assert bound(second, group=group).group == group
        with Wire(node["address"], node["endpointMapperPort"]) as third:
            answer = third.ask(bind([(0, MANAGEMENT, [NDR20])], group=0x7FFFFFFF))
            assert answer is None or answer.kind in (BIND_NAK, BIND_ACK)


def test_a_version_from_the_future(wire, lab):
    answer = wire.ask(bind([(0, MANAGEMENT, [NDR20])], version=(6, 0)))
    assert answer is None or answer.reason == 4  # protocol version not specified
    still_serves(lab)


def test_an_unknown_authentication_type(wire, lab):
    trailer = bytes([99, 6, 0, 0]) + struct.pack("<L", 1) + b"token..."
    answer = wire.ask(bind([(0, MANAGEMENT, [NDR20])], auth=trailer))
    assert answer.kind == BIND_NAK and answer.reason in (8, 9)
    still_serves(lab)


def test_rubbish_for_a_token(wire, lab):
    trailer = bytes([10, 6, 0, 0]) + struct.pack("<L", 1) + b"NTLMSSP\0" + b"\xff" * 24
    answer = wire.ask(bind([(0, MANAGEMENT, [NDR20])], auth=trailer))
    assert answer is None or answer.kind in (BIND_NAK, FAULT)
    still_serves(lab)


@pytest.mark.parametrize("max_frag", [0, 1, 100, 1431])
def test_fragments_smaller_than_the_protocol_allows(wire, lab, max_frag):
    """MustRecvFragSize is 1432 ([C706] 12.6.3.1); less is refused or raised, never divided by."""
    answer = wire.ask(bind([(0, EPMAPPER, [NDR20])], max_frag=max_frag))
    assert answer is None or answer.kind in (BIND_ACK, BIND_NAK)
    still_serves(lab)


# The order of things


def test_a_request_before_a_bind(wire, lab):
    answer = wire.ask(request(IS_LISTENING))
    assert answer is None or answer.kind == BIND_NAK or answer.status == PROTOCOL_ERROR
    still_serves(lab)


def test_alter_context_before_a_bind(wire, lab):
    answer = wire.ask(bind([(0, MANAGEMENT, [NDR20])], kind=ALTER_CONTEXT))
    assert answer is None or answer.kind in (FAULT, BIND_NAK)
    still_serves(lab)


def test_auth3_out_of_nowhere(wire, lab):
    wire.send(pdu(AUTH3, b"\0\0\0\0", auth=bytes([10, 6, 0, 0]) + struct.pack("<L", 1) + b"NTLMSSP\0\x03\0\0\0"))
    wire.send(request(IS_LISTENING, call=2))
    answer = wire.receive()
    assert answer is None or answer.kind in (FAULT, BIND_NAK)
    still_serves(lab)


def test_a_second_bind(wire, lab):
    bound(wire)
    answer = wire.ask(bind([(0, MANAGEMENT, [NDR20])], call=2))
    assert answer is None or answer.kind in (BIND_NAK, FAULT)
    still_serves(lab)


def test_a_context_that_was_never_negotiated(wire):
    bound(wire)
    assert wire.ask(request(IS_LISTENING, context=9, call=2)).status in (UNKNOWN_INTERFACE, CONTEXT_MISMATCH)


def test_an_opnum_out_of_range(wire):
    bound(wire)
    assert wire.ask(request(77, call=2)).status == OPERATION_RANGE
    assert wire.ask(request(IS_LISTENING, call=3)).kind == RESPONSE, "a fault ends the call, not the association"


@pytest.mark.parametrize("kind", [SHUTDOWN, 1, 4, 7, 20, 200])
def test_pdus_that_clients_do_not_send(wire, lab, kind):
    bound(wire)
    wire.send(pdu(kind, b"\0" * 8, call=2))
    wire.send(request(IS_LISTENING, call=3))
    answer = wire.receive()
    assert answer is None or answer.kind in (FAULT, RESPONSE)
    still_serves(lab)


@pytest.mark.parametrize("kind", [CO_CANCEL, ORPHANED])
def test_cancel_and_orphaned_of_no_call(wire, kind):
    bound(wire)
    wire.send(pdu(kind, b"", call=2))
    assert wire.ask(request(IS_LISTENING, call=3)).kind == RESPONSE


# Fragments


def fragments(opnum, stub, size, call, object_id=None):
    pieces = [stub[at : at + size] for at in range(0, len(stub), size)]
    for number, piece in enumerate(pieces):
        flags = (FIRST if number == 0 else 0) | (LAST if number == len(pieces) - 1 else 0)
        yield request(opnum, piece, flags=flags, call=call, object_id=object_id)


def map_stub(octets=b"\0" * 75):
    """ept_map of a tower of these octets."""
    tower = struct.pack("<LLL", 0x20000, len(octets), len(octets)) + octets + b"\0" * (-len(octets) % 4)
    return struct.pack("<L", 0) + tower + b"\0" * 20 + struct.pack("<L", 4)


@pytest.mark.parametrize("size", [1, 8, 40])
def test_a_request_in_fragments(wire, size):
    bound(wire, EPMAPPER)
    whole = wire.ask(request(3, map_stub(), call=2))
    for piece in fragments(3, map_stub(), size, call=3):
        wire.send(piece)
    answer = wire.receive()
    assert answer.kind == whole.kind == RESPONSE
    assert answer.stub == whole.stub


def test_fragments_of_two_calls_mixed(wire, lab):
    bound(wire, EPMAPPER)
    first = list(fragments(3, map_stub(), 40, call=2))
    second = list(fragments(3, map_stub(), 40, call=3))
    wire.send(first[0], second[0], *first[1:])
    answer = wire.receive()
    assert answer is None or answer.kind in (FAULT, RESPONSE)
    still_serves(lab)


def test_a_middle_without_a_beginning(wire, lab):
    bound(wire)
    wire.send(request(IS_LISTENING, b"x" * 8, flags=0, call=2))
    answer = wire.receive()
    assert answer is None or answer.kind == FAULT
    still_serves(lab)


def resident(pid: int) -> int:
    """The memory of a process, in octets."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_request_without_end(wire, lab):
    """Fragments for ever: somewhere there is a limit, and it is not the memory."""
    bound(wire)
    before = resident(lab.nodes[0]["pid"])
    wire.send(request(IS_LISTENING, b"x" * 4000, flags=FIRST, call=2))
    piece = request(IS_LISTENING, b"x" * 4000, flags=0, call=2)
    try:
        for _ in range(64 * 1024):  # a quarter of a gigabyte
            wire.send(piece)
    except OSError:
        pass  # cut off
    answer = wire.receive()  # or told, and the rest thrown away
    assert answer is None or answer.kind == FAULT
    assert resident(lab.nodes[0]["pid"]) - before < 64 << 20
    still_serves(lab)


@pytest.mark.parametrize("length", [0, 15, 16, 23])
def test_lengths_that_are_too_short(wire, lab, length):
    bound(wire)
    octets = bytearray(request(IS_LISTENING, call=2))
    octets[8:10] = struct.pack("<H", length)
    wire.send(bytes(octets))
    answer = wire.receive()
    assert answer is None or answer.kind == FAULT
    still_serves(lab)


def test_an_authentication_length_beyond_the_pdu(wire, lab):
    bound(wire)
    octets = bytearray(request(IS_LISTENING, b"\0" * 8, call=2))
    octets[10:12] = struct.pack("<H", 60_000)
    wire.send(bytes(octets))
    answer = wire.receive()
    assert answer is None or answer.kind == FAULT
    still_serves(lab)


def test_one_octet_at_a_time(wire):
    for octet in bind([(0, MANAGEMENT, [NDR20])]) + request(IS_LISTENING, call=2):
        wire.send(bytes([octet]))
    assert wire.receive().kind == BIND_ACK
    assert wire.receive().stub == struct.pack("<LL", 0, 1)


def test_all_at_once(wire):
    """Requests sent without waiting are all answered, in order or by their call identifiers."""
    bound(wire)
    wire.send(*(request(IS_LISTENING, call=call) for call in range(2, 102)))
    assert sorted(wire.receive().call for _ in range(100)) == list(range(2, 102))


# The other byte order


def test_a_big_endian_client(wire):
    """The sender's data representation decides how its stub is read; the answer may come in ours."""
    answer = wire.ask(bind([(0, MANAGEMENT, [NDR20])], big=True))
    assert answer.kind == BIND_ACK
    stub = struct.pack(">L", 1)
    answer = wire.ask(request(1, stub, big=True, call=2))  # rpc_mgmt_inq_stats of one counter
    assert answer.kind == RESPONSE
    count, conformance = struct.unpack("<LL", answer.octets[24:32])
    assert (count, conformance) == (1, 1)


# The management interface


def test_management_is_on_every_endpoint(clients):
    address, port = clients.setup().proxy.object._binding()
    with Wire(address, port) as wire:
        bound(wire)
        answer = wire.ask(request(IS_LISTENING, call=2))
        assert answer.kind in (RESPONSE, FAULT)


def test_nobody_stops_the_server_from_afar(wire, lab):
    bound(wire)
    answer = wire.ask(request(3, call=2))
    if answer.kind == RESPONSE:
        assert struct.unpack("<L", answer.stub)[0] != 0
    still_serves(lab)


def test_a_bad_stub_is_a_fault(wire):
    bound(wire)
    assert wire.ask(request(1, b"\x01", call=2)).status == BAD_STUB_DATA
    assert wire.ask(request(4, struct.pack("<LL", 10, 4097), call=3)).status == BAD_STUB_DATA  # range(0,4096)
