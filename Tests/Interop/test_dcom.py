"""DCOM beyond one interface of one object: several interfaces, counts, extensions, versions, pings, bindings, and what is
forged, stale or somebody else's. The stubs are our own (`dcom_stubs.py`), impacket's is the security."""

import contextlib
import uuid

import csvp
import dcom_stubs as stubs
import pytest
from conftest import Clients
from csvp import S_OK
from dcom import Association, BindRefused, Credentials, Fault, activate
from impacket.dcerpc.v5.dcomrt import (
    IID_IActivation,
    IID_IObjectExporter,
    IID_IRemoteSCMActivator,
    IID_IRemUnknown,
    IID_IRemUnknown2,
    IRemoteSCMActivator,
)
from impacket.dcerpc.v5.rpcrt import (
    RPC_C_AUTHN_LEVEL_CALL,
    RPC_C_AUTHN_LEVEL_CONNECT,
    RPC_C_AUTHN_LEVEL_NONE,
    RPC_C_AUTHN_LEVEL_PKT,
    RPC_C_AUTHN_LEVEL_PKT_INTEGRITY,
)
from impacket.uuid import uuidtup_to_bin
from test_lab import user_add

STORAGE2, STORAGE3 = csvp.IID_IClusterStorage2[:16], csvp.IID_IClusterStorage3[:16]
SETUP = csvp.IID_IClusterSetup[:16]
RETRIEVE_HOST_LABEL = csvp.RetrieveHostLabel.opnum


def strange() -> bytes:
    return uuid.uuid4().bytes_le


def unknown(object_, call, interface=IID_IRemUnknown) -> bytes:
    """A call on the remote unknown of the object's exporter; the answer's stub."""
    return object_.association.request(object_.association.bind(interface), call, object_.ipid_rem_unknown)


def call(object_, stub: bytes, ipid: bytes | None = None, opnum: int = RETRIEVE_HOST_LABEL) -> stubs.Reader:
    """A call on IClusterSetup with any stub; the answer."""
    return stubs.Reader(object_.main.call_raw((opnum, stub))) if ipid is None else stubs.Reader(
        object_.association.request(object_.association.bind(csvp.IID_IClusterSetup), (opnum, stub), ipid)
    )


@contextlib.contextmanager
def resolver(node, credentials=None, interface=IID_IObjectExporter, **how):
    """(association, what to call through) of a node's resolver."""
    with Association(node["address"], node["endpointMapperPort"], credentials, **how) as association:
        yield association, association.bind(interface)


def ping(node, credentials, *arguments) -> tuple[int, int, int]:
    with resolver(node, credentials) as (association, bound):
        return stubs.complex_ping_answer(association.request(bound, stubs.complex_ping(*arguments)))


def fault_of(action) -> int:
    with pytest.raises(Fault) as caught:
        action()
    return caught.value.status


# Several interfaces


def test_each_interface_of_a_query_has_a_result_of_its_own(clients):
    object_ = clients.storage().proxy.object
    iids = [STORAGE3, strange(), STORAGE2, SETUP, stubs.IID_IUnknown, STORAGE3]
    code, results = stubs.rem_query_interface_answer(unknown(object_, stubs.rem_query_interface(object_.main.ipid, 2, iids)))
    assert code == stubs.S_FALSE
    assert [result for result, _ in results] == [S_OK, stubs.E_NOINTERFACE, S_OK, stubs.E_NOINTERFACE, S_OK, S_OK]
    for result, reference in results:
        if result == S_OK:
            assert (reference.flags, reference.references, reference.oxid, reference.oid) == (
                0, 2, object_.oxid, object_.oid,
            )
        else:
            assert (reference.references, reference.oxid, reference.oid, reference.ipid) == (0, 0, 0, bytes(16))
    assert results[2][1].ipid == object_.main.ipid
    assert results[0][1].ipid == results[5][1].ipid


@pytest.mark.parametrize(
    ("iids", "expected"),
    [([STORAGE2], S_OK), ([STORAGE2, strange()], stubs.S_FALSE), ([strange(), strange()], stubs.E_NOINTERFACE), ([], S_OK)],
)
def test_the_summary_of_a_query(clients, iids, expected):
    object_ = clients.storage().proxy.object
    answer = unknown(object_, stubs.rem_query_interface(object_.main.ipid, 1, iids))
    assert stubs.rem_query_interface_answer(answer)[0] == expected
    answer = unknown(object_, stubs.rem_query_interface2(object_.main.ipid, iids), IID_IRemUnknown2)
    assert stubs.rem_query_interface2_answer(answer)[0] == expected


def test_query_interface2_returns_whole_references(clients):
    object_ = clients.storage().proxy.object
    iids = [STORAGE3, strange(), STORAGE2]
    answer = unknown(object_, stubs.rem_query_interface2(object_.main.ipid, iids), IID_IRemUnknown2)
    code, codes, pointers = stubs.rem_query_interface2_answer(answer)
    assert code == stubs.S_FALSE and codes == [S_OK, stubs.E_NOINTERFACE, S_OK] and pointers[1] is None
    for iid, pointer in ((STORAGE3, pointers[0]), (STORAGE2, pointers[2])):
        named, reference, bindings = stubs.objref(pointer)
        assert named == iid and reference.references == 5 and reference.oid == object_.oid
        assert bindings[0] == (7, object_.host), "a resolver's binding: the address the client came by, no port"


def test_too_many_interfaces(clients):
    object_ = clients.storage().proxy.object
    for count, expected in ((128, S_OK), (129, stubs.E_OUTOFMEMORY)):
        answer = unknown(object_, stubs.rem_query_interface(object_.main.ipid, 1, [STORAGE2] * count))
        assert stubs.rem_query_interface_answer(answer)[0] == expected


def test_the_remote_unknown_can_be_queried(clients):
    object_ = clients.setup().proxy.object
    iids = [IID_IRemUnknown[:16], IID_IRemUnknown2[:16], SETUP]
    code, results = stubs.rem_query_interface_answer(
        unknown(object_, stubs.rem_query_interface(object_.ipid_rem_unknown, 1, iids))
    )
    assert code == stubs.S_FALSE and [result for result, _ in results] == [S_OK, S_OK, stubs.E_NOINTERFACE]
    assert results[0][1].ipid == object_.ipid_rem_unknown


# References


def test_reference_counts(clients):
    """Public and private ones, more than there are, and of what is not there."""
    setup = clients.setup()
    object_, ipid = setup.proxy.object, setup.proxy.ipid
    answer = unknown(object_, stubs.rem_add_ref([(ipid, 1, 2), (strange(), 1, 0), (object_.ipid_rem_unknown, 1, 0)]))
    assert stubs.rem_add_ref_answer(answer) == (S_OK, [S_OK, stubs.CO_E_OBJNOTREG, S_OK])
    assert stubs.rem_release_answer(unknown(object_, stubs.rem_release([(ipid, 0xFFFFFFFF, 1), (strange(), 9, 9)]))) == S_OK
    assert setup.host_label()[0] == S_OK, "a private reference is left"
    assert stubs.rem_release_answer(unknown(object_, stubs.rem_release([(ipid, 0, 1)]))) == S_OK
    assert fault_of(setup.host_label) == stubs.RPC_E_DISCONNECTED
    answer = unknown(object_, stubs.rem_add_ref([(ipid, 1, 0)]))
    assert stubs.rem_add_ref_answer(answer) == (S_OK, [stubs.CO_E_OBJNOTREG])
    assert stubs.rem_release_answer(unknown(object_, stubs.rem_release([(ipid, 1, 1)]))) == S_OK


def test_counts_do_not_wrap_around(clients):
    setup = clients.setup()
    object_, ipid = setup.proxy.object, setup.proxy.ipid
    full = 0xFFFFFFFF
    for _ in range(3):
        answer = unknown(object_, stubs.rem_add_ref([(ipid, full, full)]))
        assert stubs.rem_add_ref_answer(answer) == (S_OK, [S_OK])
    unknown(object_, stubs.rem_release([(ipid, full, full)] * 2))
    assert setup.host_label()[0] == S_OK
    unknown(object_, stubs.rem_release([(ipid, full, full)] * 2))
    assert fault_of(setup.host_label) == stubs.RPC_E_DISCONNECTED


def test_forged_and_foreign_identifiers(clients):
    setup, storage = clients.setup(), clients.storage()
    object_ = setup.proxy.object
    stub = stubs.orpcthis()
    for forged in (strange(), bytes(15) + b"\1", object_.ipid_rem_unknown):
        assert fault_of(lambda forged=forged: call(object_, stub, forged)) == stubs.RPC_E_DISCONNECTED
    assert fault_of(lambda: call(object_, stub, storage.proxy.ipid)) == stubs.RPC_E_INVALID_IPID
    answer = unknown(object_, stubs.rem_query_interface(strange(), 1, [SETUP]))
    assert stubs.rem_query_interface_answer(answer) == (stubs.RPC_E_INVALID_OBJECT, [])
    answer = unknown(object_, stubs.rem_query_interface2(strange(), [SETUP]), IID_IRemUnknown2)
    assert stubs.rem_query_interface2_answer(answer)[::2] == (stubs.RPC_E_INVALID_OBJECT, [None])
    # The remote unknown itself answers at its own identifier only.
    bound = object_.association.bind(IID_IRemUnknown)
    release = stubs.rem_release([(setup.proxy.ipid, 5, 0)])
    assert fault_of(lambda: object_.association.request(bound, release, setup.proxy.ipid)) == stubs.RPC_E_DISCONNECTED
    assert setup.host_label()[0] == S_OK


def test_identifiers_of_another_administrator(daemons):
    """To everybody but their owner they look like forged ones: no call, no query, no count, no ping reaches the object."""
    nodes = daemons(nodes=1, disks=1)
    code, said = user_add(nodes, "chief", "Chief-Passw0rd", "--admin")
    assert code == 0, said
    nodes.start()
    owner = Clients(nodes.lab, Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password))
    other = Clients(nodes.lab, Credentials(nodes.lab.domain, "chief", "Chief-Passw0rd"))
    setup = owner.setup()
    theirs = other.setup().proxy.object
    ipid, oid = setup.proxy.ipid, setup.proxy.object.oid
    assert fault_of(lambda: call(theirs, stubs.orpcthis(), ipid)) == stubs.RPC_E_DISCONNECTED
    answer = unknown(theirs, stubs.rem_query_interface(ipid, 1, [SETUP]))
    assert stubs.rem_query_interface_answer(answer)[0] == stubs.RPC_E_INVALID_OBJECT
    answer = unknown(theirs, stubs.rem_add_ref([(ipid, 1, 1)]))
    assert stubs.rem_add_ref_answer(answer)[1] == [stubs.CO_E_OBJNOTREG]
    assert stubs.rem_release_answer(unknown(theirs, stubs.rem_release([(ipid, 0xFFFFFFFF, 0xFFFFFFFF)]))) == S_OK
    node = nodes.nodes[0]
    mine, _, code = ping(node, owner.credentials, 0, 1, [oid])
    assert code == 0
    assert ping(node, other.credentials, mine, 2, [], [oid])[2] == stubs.OR_INVALID_SET
    made, _, _ = ping(node, other.credentials, 0, 1, [oid])
    assert ping(node, other.credentials, made, 2, [oid])[2] == stubs.OR_INVALID_OID
    assert setup.host_label()[0] == S_OK
    owner.close()
    other.close()
    nodes.stop()


# Headers


def test_headers_of_calls(clients):
    object_ = clients.setup().proxy.object

    def code(**header) -> int:
        reader = call(object_, stubs.orpcthis(**header))
        assert stubs.orpcthat(reader) == []
        return int.from_bytes(reader.octets[-4:], "little")

    for minor in (1, 2, 4, 6, 7):
        assert code(version=(5, minor)) == S_OK
    for version in ((5, 8), (4, 7), (6, 1), (0, 0)):
        assert fault_of(lambda version=version: code(version=version)) == stubs.RPC_E_VERSION_MISMATCH
    for flags in (1, 0x80000000):
        assert fault_of(lambda flags=flags: code(flags=flags)) == stubs.RPC_E_INVALID_HEADER
    assert code(reserved=0xFFFFFFFF) == S_OK
    cid = uuid.uuid4().bytes_le
    assert code(cid=cid) == code(cid=cid) == code(cid=bytes(16)) == S_OK


def test_extensions(clients):
    """Unknown ones are ignored; what does not fit is malformed; more than anybody needs is refused."""
    object_ = clients.setup().proxy.object
    for extensions in ([b""], [b"x"], [b"12345678"], [b"a", b"bc"], [b"x" * 1000] * 3, [b"y"] * 32):
        stub = stubs.orpcthis(extensions=[stubs.extension(octets) for octets in extensions])
        assert int.from_bytes(call(object_, stub).octets[-4:], "little") == S_OK
    many = stubs.orpcthis(extensions=[stubs.extension(b"y")] * 33)
    assert fault_of(lambda: call(object_, many)) == stubs.RPC_E_INVALID_EXTENSION
    sound = stubs.orpcthis(extensions=[stubs.extension(b"12345")])
    # ORPC_EXTENT_ARRAY.size, its array's maximum count, the data's maximum count, ORPC_EXTENT.size
    for offset in (32, 44, 56, 76):
        for value in (b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\x09\0\0\0"):
            altered = sound[:offset] + value + sound[offset + 4 :]
            assert fault_of(lambda altered=altered: call(object_, altered)) == stubs.RPC_X_BAD_STUB_DATA
    assert int.from_bytes(call(object_, sound).octets[-4:], "little") == S_OK


# Pings and OXIDs


def test_ping_sets(clients, lab, credentials):
    node, oid = lab.nodes[0], clients.setup().proxy.object.oid
    made, factor, code = ping(node, credentials, 0, 5, [oid])
    assert code == 0 and made != 0 and factor == 0
    # An overtaken request succeeds and does nothing: an unknown object in it is not even looked at.
    assert ping(node, credentials, made, 4, [77]) == (made, 0, 0)
    assert ping(node, credentials, made, 5, [77]) == (made, 0, stubs.OR_INVALID_OID)
    assert ping(node, credentials, made, 6, [oid, oid], [78]) == (made, 0, 0)
    # Numbers wrap around.
    assert ping(node, credentials, made, 0x8005, [77]) == (made, 0, stubs.OR_INVALID_OID)
    assert ping(node, credentials, made, 0, [77]) == (made, 0, stubs.OR_INVALID_OID)
    assert ping(node, credentials, made, 0xFFFF, [77]) == (made, 0, 0)
    assert ping(node, credentials, made ^ 1, 1, [oid]) == (made ^ 1, 0, stubs.OR_INVALID_SET)
    with resolver(node, credentials) as (association, bound):
        for set_id, expected in ((made, 0), (made ^ 1, stubs.OR_INVALID_SET), (0, stubs.OR_INVALID_SET)):
            assert stubs.simple_ping_answer(association.request(bound, stubs.simple_ping(set_id))) == expected
    # In a new set, unknown objects are passed over.
    other, _, code = ping(node, credentials, 0, 1, [77, oid])
    assert code == 0 and other not in (0, made)


@pytest.mark.parametrize("opnum", [0, 4])
def test_oxid_resolution(clients, lab, credentials, opnum):
    node, object_ = lab.nodes[0], clients.setup().proxy.object
    with resolver(node, credentials) as (association, bound):

        def resolve(oxid, protocols=(7,)):
            stub = association.request(bound, stubs.resolve_oxid(opnum, oxid, protocols))
            return stubs.resolve_oxid_answer(opnum, stub)

        for protocols in ((7,), (15, 7), ()):
            code, strings, ipid, hint, version = resolve(object_.oxid, protocols)
            assert code == 0 and ipid == object_.ipid_rem_unknown and hint == 6
            assert version == ((5, 7) if opnum == 4 else None)
            assert strings == object_.bindings
        assert resolve(object_.oxid ^ 1)[:2] == (stubs.OR_INVALID_OXID, [])
        assert resolve(object_.oid)[:2] == (stubs.OR_INVALID_OXID, [])
        assert resolve(object_.oxid, (15, 31))[:2] == (stubs.RPC_S_PROTSEQ_NOT_SUPPORTED, [])


def test_after_a_restart_everything_old_is_stale(daemons):
    nodes = daemons(nodes=1, disks=1).start()
    clients = Clients(nodes.lab, Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password))
    node, old = nodes.nodes[0], clients.setup().proxy.object
    made, _, code = ping(node, clients.credentials, 0, 1, [old.oid])
    assert code == 0
    nodes.kill(0)
    nodes.start(0)
    with resolver(node, clients.credentials) as (association, bound):
        for opnum in (0, 4):
            stub = association.request(bound, stubs.resolve_oxid(opnum, old.oxid))
            assert stubs.resolve_oxid_answer(opnum, stub)[:2] == (stubs.OR_INVALID_OXID, [])
        assert stubs.simple_ping_answer(association.request(bound, stubs.simple_ping(made))) == stubs.OR_INVALID_SET
    assert ping(node, clients.credentials, made, 2, [old.oid])[2] == stubs.OR_INVALID_SET
    new = clients.setup()
    object_ = new.proxy.object
    assert object_.oxid != old.oxid and object_.ipid_rem_unknown != old.ipid_rem_unknown
    assert fault_of(lambda: call(object_, stubs.orpcthis(), old.main.ipid)) == stubs.RPC_E_DISCONNECTED
    bound = object_.association.bind(IID_IRemUnknown)
    release = stubs.rem_release([(old.main.ipid, 5, 0)])
    assert fault_of(lambda: object_.association.request(bound, release, old.ipid_rem_unknown)) == stubs.RPC_E_DISCONNECTED
    assert new.host_label()[0] == S_OK
    clients.close()
    nodes.stop()


def test_a_client_that_reconnects_finds_its_object(clients, lab):
    """The same OXID and IPIDs over a new association; state and references are the object's, not the connection's."""
    storage = clients.storage(ready=True)
    object_ = storage.proxy.object
    address, port = object_._binding()
    object_.association.abort()
    object_.association = Association(address, port, clients.credentials)
    assert storage.props(csvp.DiskID(csvp.CprepIdNumber, 0))[0] == S_OK, "Prepare State is still Online"
    code, results = stubs.rem_query_interface_answer(
        unknown(object_, stubs.rem_query_interface(object_.main.ipid, 1, [STORAGE2]))
    )
    assert code == S_OK and results[0][1].ipid == object_.main.ipid


def test_calls_of_one_causality_chain(clients):
    """Several calls with one identifier, at once and over two associations: none is kept waiting for another one."""
    object_ = clients.setup().proxy.object
    address, port = object_._binding()
    stub = stubs.orpcthis(cid=b"\x11" * 16)
    with Association(address, port, clients.credentials) as second:
        through = [(a, a.bind(csvp.IID_IClusterSetup)) for a in (object_.association, second)]
        for _ in range(2):
            for association, bound in through:
                bound.call(RETRIEVE_HOST_LABEL, stub, object_.main.ipid)
            for association, bound in through:
                assert int.from_bytes(bound.recv()[-4:], "little") == S_OK


# Bindings


def test_bindings_of_a_node_with_two_protocols(daemons):
    """Each client gets the address it came by first, then names, then what else there is; strangers only the first two."""
    nodes = daemons(nodes=1, disks=1)
    node = nodes.nodes[0]
    four = node["address"]
    nodes.daemons[0].start(node, nodes.lab.log, listen=[four, "::1"])
    nodes.running.add(0)
    credentials = Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password)
    for came_by, other in ((four, "::1"), ("::1", four)):
        there = {**node, "address": came_by}
        with resolver(there) as (association, bound):
            code, version, strings, security = stubs.server_alive2_answer(association.request(bound, (5, b"")))
            hosts = [host for tower, host in strings if tower == 7]
            assert code == 0 and version == (5, 7) and security and len(hosts) == len(strings)
            assert hosts[0] == came_by and other not in hosts and len(hosts) >= 2
            assert not any("[" in host for host in hosts), "a resolver's bindings have no endpoints"
        with resolver(there, credentials) as (association, bound):
            code, version, strings, _ = stubs.server_alive2_answer(association.request(bound, (5, b"")))
            known = [host for _, host in strings]
            assert known == hosts + [other]
        object_ = activate(there, credentials, csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup)
        port = object_._binding()[1]
        assert [text for _, text in object_.bindings] == [f"{host}[{port}]" for host in known]
        assert csvp.Setup(object_.main).host_label()[0] == S_OK
        # A host with several networks: the object is the same, whichever way one comes.
        with Association(other, port, credentials) as detour:
            reader = stubs.Reader(
                detour.request(
                    detour.bind(csvp.IID_IClusterSetup), (RETRIEVE_HOST_LABEL, stubs.orpcthis()), object_.main.ipid
                )
            )
            assert int.from_bytes(reader.octets[-4:], "little") == S_OK
        assert object_.release() == 0
        object_.close()
    nodes.stop()


# Activation


def remote_activation(node, credentials, *arguments, **keywords) -> stubs.Activation:
    with resolver(node, credentials, IID_IActivation) as (association, bound):
        return stubs.Activation(association.request(bound, stubs.remote_activation(*arguments, **keywords)))


def test_activation_with_several_interfaces(lab, credentials, clients):
    node = lab.nodes[0]
    iids = [STORAGE3, strange(), STORAGE2, stubs.IID_IUnknown, SETUP]
    answer = remote_activation(node, credentials, csvp.CLSID_ClusterStorage2, iids)
    assert answer.code == 0 and answer.hresult == S_OK and answer.hint == 6 and answer.version == (5, 7)
    assert answer.extensions == []
    assert answer.results == [S_OK, stubs.E_NOINTERFACE, S_OK, S_OK, stubs.E_NOINTERFACE]
    assert [pointer is None for pointer in answer.pointers] == [False, True, False, False, True]
    references = [stubs.objref(pointer) for pointer in answer.pointers if pointer]
    assert [iid for iid, _, _ in references] == [STORAGE3, STORAGE2, stubs.IID_IUnknown]
    assert len({reference.oid for _, reference, _ in references}) == 1
    assert len({reference.ipid for _, reference, _ in references}) == 3
    assert {reference.oxid for _, reference, _ in references} == {answer.oxid}
    # It is given back over any association with the exporter.
    anybody = clients.setup().proxy.object
    assert anybody.ipid_rem_unknown == answer.remote_unknown
    release = stubs.rem_release([(reference.ipid, 5, 0) for _, reference, _ in references])
    assert stubs.rem_release_answer(unknown(anybody, release)) == S_OK


def test_refused_activations(lab, credentials):
    node = lab.nodes[0]
    clsid = csvp.CLSID_ClusterSetup
    storage = b"MEOW" + b"\1\0\0\0" + b"\x0b" + bytes(7) + b"\xc0" + bytes(6) + b"\x46"
    storage += bytes(40) + b"\4\0\2\0" + bytes(8)
    cases = [
        ({"clsid": strange()}, stubs.REGDB_E_CLASSNOTREG),
        ({"iids": [strange()]}, stubs.E_NOINTERFACE),
        ({"iids": [strange(), strange()]}, stubs.E_NOINTERFACE),
        ({"iids": [SETUP] * 129}, stubs.E_OUTOFMEMORY),
        ({"name": "C:\\object"}, stubs.E_NOINTERFACE),
        ({"storage": storage}, stubs.E_NOINTERFACE),
        ({"storage": b"rubbish!"}, stubs.RPC_E_INVALID_OBJREF),
        ({"protocols": [15]}, 0x80070000 | stubs.RPC_S_PROTSEQ_NOT_SUPPORTED),
        ({"mode": 0xFFFFFFFF}, stubs.E_NOINTERFACE),
    ]
    for change, expected in cases:
        arguments = {"clsid": clsid, "iids": [SETUP], **change}
        answer = remote_activation(node, credentials, **arguments)
        assert answer.hresult == expected, change
        assert answer.code == 0 and set(answer.results) == {0} and set(answer.pointers) == {None}
        assert len(answer.results) == len(arguments["iids"])
    answer = remote_activation(node, credentials, clsid, [SETUP], this=stubs.orpcthis(version=(5, 8)))
    assert answer.hresult == answer.code == stubs.RPC_E_VERSION_MISMATCH
    # Flags, reserved fields and extensions of an activation's header are ignored (2.2.13.3).
    header = stubs.orpcthis(version=(5, 1), flags=0xFFFFFFFF, reserved=9, extensions=[stubs.extension(b"x")])
    assert remote_activation(node, credentials, clsid, [SETUP], this=header).hresult == S_OK


def test_class_objects(lab, credentials, clients):
    """By RemoteGetClassObject and by RemoteActivation's mode; the factory makes objects as the resolver does."""
    node = lab.nodes[0]
    with resolver(node, credentials, IID_IRemoteSCMActivator) as (association, _):
        association.dce.bind = lambda *_, **__: None
        factory = IRemoteSCMActivator(association.dce).RemoteGetClassObject(
            csvp.CLSID_ClusterSetup, uuidtup_to_bin(("00000001-0000-0000-c000-000000000046", "0.0"))
        )
        ipids = [factory.get_iPid()]
    answer = remote_activation(
        node, credentials, csvp.CLSID_ClusterSetup, [stubs.IID_IClassFactory], mode=0xFFFFFFFF, name="ignored"
    )
    assert answer.hresult == S_OK
    ipids.append(stubs.objref(answer.pointers[0])[1].ipid)
    anybody = clients.setup().proxy.object
    through = anybody.association.bind(uuidtup_to_bin(("00000001-0000-0000-c000-000000000046", "0.0")))
    for ipid in ipids:
        reader = stubs.Reader(anybody.association.request(through, (3, stubs.orpcthis() + SETUP), ipid))
        stubs.orpcthat(reader)
        assert reader.u32()
        size = reader.u32()
        assert reader.u32() == size
        iid, reference, _ = stubs.objref(reader.take(size))
        assert iid == SETUP
        assert int.from_bytes(call(anybody, stubs.orpcthis(), reference.ipid).octets[-4:], "little") == S_OK
        reader = stubs.Reader(anybody.association.request(through, (3, stubs.orpcthis() + strange()), ipid))
        stubs.orpcthat(reader)
        assert (reader.u32(), reader.u32()) == (0, stubs.E_NOINTERFACE)
        lock = anybody.association.request(through, (4, stubs.orpcthis() + b"\1\0\0\0"), ipid)
        assert int.from_bytes(lock[-4:], "little") == S_OK
        release = stubs.rem_release([(ipid, 5, 0), (reference.ipid, 5, 0)])
        assert stubs.rem_release_answer(unknown(anybody, release)) == S_OK


@pytest.mark.parametrize(
    "level",
    [
        RPC_C_AUTHN_LEVEL_NONE, RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_CALL, RPC_C_AUTHN_LEVEL_PKT,
        RPC_C_AUTHN_LEVEL_PKT_INTEGRITY,
    ],
)
def test_cve_2021_26414_activation_below_integrity(lab, credentials, level):
    """No activation below PKT_INTEGRITY, by neither interface, and neither pings nor OXID resolution."""
    node = lab.nodes[0]
    someone = None if level == RPC_C_AUTHN_LEVEL_NONE else credentials
    enough = level == RPC_C_AUTHN_LEVEL_PKT_INTEGRITY

    def attempt(interface, request) -> bytes | int:
        try:
            with resolver(node, someone, interface, level=level) as (association, bound):
                return association.request(bound, request)
        except BindRefused:
            return stubs.ERROR_ACCESS_DENIED  # the level is refused before anything can be called
        except Fault as fault:
            return fault.status

    activation = attempt(IID_IActivation, stubs.remote_activation(csvp.CLSID_ClusterSetup, [SETUP]))
    if enough:
        assert stubs.Activation(activation).hresult == S_OK
    else:
        assert activation in (stubs.ERROR_ACCESS_DENIED, 0x80070005)
        # IRemoteSCMActivator refuses before it reads anything: an empty stub is not a malformed one.
        assert attempt(IID_IRemoteSCMActivator, (4, b"")) in (stubs.ERROR_ACCESS_DENIED, 0x80070005)
        pinged = attempt(IID_IObjectExporter, stubs.complex_ping(0, 1))
        assert (pinged if isinstance(pinged, int) else stubs.complex_ping_answer(pinged)[2]) == stubs.ERROR_ACCESS_DENIED


def test_the_node_survived(clients, survives):
    assert clients.setup().host_label()[0] == S_OK
