"""The limits that can be set, on a running node: at each one everything goes its way, and above it happens what
docs/limits.md says."""

import contextlib

import pytest
from conftest import Clients
from crowd import Sealed
from dcom import Credentials, HResultError, exporter
from impacket import ntlm
from impacket.dcerpc.v5.rpcrt import DCERPCException
from lab import Daemons, wait_until
from ntlm_wire import trailer
from pdus import (
    ALTER_CONTEXT,
    ALTER_CONTEXT_RESP,
    BIND_ACK,
    BIND_NAK,
    EPMAPPER,
    FAULT,
    FIRST,
    LAST,
    MANAGEMENT,
    NDR20,
    RESPONSE,
    Wire,
    bind,
    request,
)

ACCESS_DENIED, PROTOCOL_ERROR, CONTEXT_MISMATCH = 5, 0x1C01000B, 0x1C00001A
E_OUTOFMEMORY, ERROR_NOT_ENOUGH_MEMORY = 0x8007000E, 8
LOCAL_LIMIT_EXCEEDED = 2
EPT_LOOKUP, IS_LISTENING = 2, 2
#: What becomes of an association that is closed instead of answered.
REFUSED = (AssertionError, OSError)

SETTINGS = {
    "maximum_connections": "40",
    "maximum_connections_per_address": "6",
    "maximum_unauthenticated_connections": "4",
    "authentication_timeout": "30",
    "maximum_presentation_contexts": "3",
    "maximum_unfinished_contexts": "2",
    "maximum_fragment": "2048",
    "maximum_request": "8",
    "maximum_unauthenticated_request": "4",
    "maximum_objects": "2",
    "maximum_ping_sets": "2",
    "maximum_objects_per_ping_set": "1",
    "maximum_mapper_handles_per_client": "2",
}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    made = Daemons(tmp_path_factory.mktemp("limits") / "lab", 1, 1, **SETTINGS).start()
    yield made
    codes = made.stop()
    assert codes == {0: 0}


@pytest.fixture
def target(nodes):
    return nodes.nodes[0]["address"], nodes.nodes[0]["endpointMapperPort"]


@pytest.fixture
def credentials(nodes):
    return Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password)


@pytest.fixture
def connect(nodes, credentials):
    """A maker of sealed associations from an address, all of which end with the test."""
    with contextlib.ExitStack() as stack:

        def make(origin: str) -> Sealed:
            made = Sealed(nodes.nodes[0], credentials, origin)
            stack.callback(made.close)
            made.listens()
            return made

        yield make


@pytest.fixture
def clients(nodes, credentials):
    made = Clients(nodes.lab, credentials)
    yield made
    made.close()


def test_connections_of_an_address(connect):
    """Six who have proved who they are; the seventh stays out, and comes in when one has left."""
    known = [connect("127.2.0.1") for _ in range(6)]
    with pytest.raises(REFUSED):
        connect("127.2.0.1")
    connect("127.2.0.2")
    for client in known:
        client.listens()
    known[0].close()

    def comes_in():
        with contextlib.suppress(*REFUSED):
            connect("127.2.0.1")
            return True
        return False

    wait_until(comes_in, 60, "the place that was left")


def test_strangers(connect, target):
    """Four of them; the fifth takes the place of the first, and nobody who is known has to go."""
    known = connect("127.2.0.3")
    with contextlib.ExitStack() as stack:

        def come():
            # Answered before the next one comes: the node has several threads, and each has its own queue.
            stranger = stack.enter_context(Wire(*target))
            assert stranger.ask(bind([(0, MANAGEMENT, [NDR20])])).kind == BIND_ACK
            return stranger

        strangers = [come() for _ in range(4)]
        for stranger in strangers:
            assert stranger.ask(request(IS_LISTENING)).kind == RESPONSE
        strangers.append(come())
        assert strangers[0].receive() is None
        for stranger in strangers[1:]:
            assert stranger.ask(request(IS_LISTENING, call=2)).kind == RESPONSE
    known.listens()


def test_time_to_authenticate(target, connect):
    """Who is silent for so long without having said who he is hears the connection close; who has said so does not."""
    known = connect("127.2.0.4")
    with Wire(*target) as silent, Wire(*target) as bound:
        assert bound.ask(bind([(0, MANAGEMENT, [NDR20])])).kind == BIND_ACK
        assert silent.receive() is None
        assert bound.receive() is None
    known.listens()


def test_presentation_contexts(target):
    def offers(count):
        return [(number, MANAGEMENT, [NDR20]) for number in range(count)]

    with Wire(*target) as wire:
        assert wire.ask(bind(offers(3))).kind == BIND_ACK
    with Wire(*target) as wire:
        answer = wire.ask(bind(offers(4)))
        assert (answer.kind, answer.reason) == (BIND_NAK, LOCAL_LIMIT_EXCEEDED)
        assert wire.receive() is None


def test_unfinished_security_contexts(target):
    negotiate = ntlm.getNTLMSSPType1("", "", signingRequired=True).getData()
    with Wire(*target) as wire:
        assert wire.ask(bind([(0, MANAGEMENT, [NDR20])])).kind == BIND_ACK

        def begin(number):
            token = trailer(context=number) + negotiate
            return wire.ask(bind([(0, MANAGEMENT, [NDR20])], kind=ALTER_CONTEXT, call=number, auth=token))

        for number in (1, 2):
            assert begin(number).kind == ALTER_CONTEXT_RESP
        answer = begin(3)
        assert (answer.kind, answer.status) == (FAULT, PROTOCOL_ERROR)
        assert wire.receive() is None


def outcome(answer):
    """The fault's status, or nothing for a response."""
    return None if answer.kind == RESPONSE else answer.status


@pytest.mark.parametrize("size, status", [(2048, None), (2049, PROTOCOL_ERROR)])
def test_fragment(target, size, status):
    with Wire(*target) as wire:
        assert wire.ask(bind([(0, MANAGEMENT, [NDR20])])).kind == BIND_ACK
        # The method has no parameters, and its interface lets octets behind them pass.
        assert outcome(wire.ask(request(IS_LISTENING, bytes(size - 24)))) == status


@pytest.mark.parametrize("size, status", [(4096, None), (4097, ACCESS_DENIED)])
def test_reassembled_request_of_a_stranger(target, size, status):
    with Wire(*target) as wire:
        assert wire.ask(bind([(0, MANAGEMENT, [NDR20])])).kind == BIND_ACK
        parts = [bytes(min(2000, size - at)) for at in range(0, size, 2000)]
        for number, part in enumerate(parts):
            flags = (FIRST if number == 0 else 0) | (LAST if number == len(parts) - 1 else 0)
            # What it is to come to is not told before.
            wire.send(request(IS_LISTENING, part, flags=flags, hint=0))
        assert outcome(wire.receive()) == status


def test_inquiries_of_the_endpoint_mapper(target):
    """Two of one association; the third takes the place of the first."""
    with Wire(*target) as wire:
        assert wire.ask(bind([(0, EPMAPPER, [NDR20])])).kind == BIND_ACK
        call = 1

        def look(handle=bytes(20)):
            nonlocal call
            call += 1
            # Everything, one entry at a time; no object, no interface.
            return wire.ask(request(EPT_LOOKUP, bytes(12) + b"\1\0\0\0" + handle + b"\1\0\0\0", call=call))

        handles = [look().stub[:20] for _ in range(2)]
        handles = [look(handle).stub[:20] for handle in handles]
        third = look().stub[:20]
        assert look(handles[0]).status == CONTEXT_MISMATCH
        for handle in (handles[1], third):
            assert look(handle).stub[:20] == handle


def test_objects(clients):
    first, second = clients.setup(), clients.setup()
    with pytest.raises(HResultError) as refused:
        clients.setup()
    assert refused.value.code == E_OUTOFMEMORY
    clients.release(first)
    clients.setup()
    assert second.host_label()[0] == 0


def test_ping_sets(nodes, clients):
    objects = [clients.setup().proxy.object.oid for _ in range(2)]
    association, resolver = exporter(nodes.nodes[0], clients.credentials)

    def refused(set_id, number, oids):
        with pytest.raises(DCERPCException) as error:
            resolver.ComplexPing(set_id, number, oids, [])
        return error.value.error_code == ERROR_NOT_ENOUGH_MEMORY

    with association:
        first = resolver.ComplexPing(0, 1, objects[:1], [])["pSetId"]
        assert refused(first, 2, objects[1:])
        resolver.ComplexPing(0, 1, [], [])
        assert refused(0, 1, [])
        resolver.SimplePing(first)
