"""Activation, object references and their end, by impacket's own DCOM classes and by ours."""

import uuid

import csvp
import pytest
from csvp import E_NOINTERFACE, REGDB_E_CLASSNOTREG, S_OK
from dcom import Fault, HResultError, exporter
from impacket.dcerpc.v5.dcomrt import DCOMConnection
from impacket.dcerpc.v5.rpcrt import (
    RPC_C_AUTHN_LEVEL_CONNECT,
    RPC_C_AUTHN_LEVEL_PKT_INTEGRITY,
)

WAYS = ["RemoteCreateInstance", "RemoteActivation"]
UNKNOWN = csvp.iid(str(uuid.uuid4()))


@pytest.mark.parametrize("index", [0, 1])
def test_impackets_own_connection(lab, credentials, index):
    """DCOMConnection and CoCreateInstanceEx as everybody's scripts use them."""
    node = lab.nodes[index]
    if node["endpointMapperPort"] != 135:
        pytest.skip("DCOMConnection knows only port 135: run as root")
    connection = DCOMConnection(node["address"], credentials.user, credentials.password, credentials.domain)
    try:
        interface = connection.CoCreateInstanceEx(csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup)
        request = csvp.RetrieveHostLabel()
        answer = interface.request(request, csvp.IID_IClusterSetup, interface.get_iPid())
        assert answer["ErrorCode"] == S_OK
        assert csvp.bstr_octets(answer.fields["HostLabel"])
        again = interface.RemQueryInterface(1, (csvp.IID_IClusterSetup[:16],))
        assert again.get_iPid() != b"\0" * 16
        assert interface.RemRelease()["ErrorCode"] == S_OK
    finally:
        connection.disconnect()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("index", [0, 1])
def test_bindings_name_the_address_the_client_came_by(clients, way, index):
    object_ = clients.activate(csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup, node=index, way=way)
    address = clients.lab.nodes[index]["address"]
    assert any(tower == 7 and text.startswith(address + "[") for tower, text in object_.bindings)
    assert all("[" in text for tower, text in object_.bindings if tower == 7), "an exporter's binding has its port"
    assert object_.auth_hint == 6


@pytest.mark.parametrize("way", WAYS)
def test_unknown_class(clients, way):
    with pytest.raises(HResultError) as caught:
        clients.activate(uuid.uuid4().bytes_le, csvp.IID_IClusterSetup, way=way)
    assert caught.value.code == REGDB_E_CLASSNOTREG


def test_unknown_interface_of_a_known_class(clients):
    with pytest.raises(HResultError) as caught:
        clients.activate(csvp.CLSID_ClusterSetup, UNKNOWN)
    assert caught.value.code == E_NOINTERFACE


def test_query_interface(clients):
    storage = clients.storage()
    object_ = storage.proxy.object
    same = object_.query(csvp.IID_IClusterStorage2)
    assert csvp.Storage(same).prepare()[0] == S_OK
    with pytest.raises(HResultError) as caught:
        object_.query(UNKNOWN)
    assert caught.value.code == E_NOINTERFACE
    with pytest.raises(HResultError) as caught:
        object_.query(csvp.IID_IClusterSetup)
    assert caught.value.code == E_NOINTERFACE


def test_state_belongs_to_the_activation(clients):
    """Prepare State is the object's: a second activation starts anew, and the first keeps what it had."""
    first, second = clients.storage(), clients.storage()
    first.ready()
    assert second.phase2()[0] == csvp.ERROR_INVALID_SERVER_STATE
    assert first.props(csvp.DiskID(csvp.CprepIdNumber, 0))[0] == S_OK


def test_a_released_object_is_gone(clients):
    storage = clients.storage(ready=True)
    object_ = storage.proxy.object
    assert object_.release() == 0
    with pytest.raises(Fault) as caught:
        storage.props(csvp.DiskID(csvp.CprepIdNumber, 0))
    assert caught.value.status == 0x80010108  # RPC_E_DISCONNECTED
    clients.objects.remove(object_)
    object_.close()


def test_an_interface_of_another_object_is_not_reached(clients):
    """An IPID serves the interface it was made for only."""
    setup = clients.setup()
    storage = clients.storage()
    storage.proxy.ipid = setup.proxy.ipid
    with pytest.raises(Fault):
        storage.prepare()
    assert setup.host_label()[0] == S_OK


@pytest.mark.parametrize("way", WAYS)
def test_activation_at_packet_integrity(clients, way):
    assert clients.setup(way=way, activation_level=RPC_C_AUTHN_LEVEL_PKT_INTEGRITY).host_label()[0] == S_OK


@pytest.mark.parametrize("way", WAYS)
def test_activation_below_packet_integrity_is_refused(clients, way):
    with pytest.raises((Fault, HResultError)) as caught:
        clients.setup(way=way, activation_level=RPC_C_AUTHN_LEVEL_CONNECT)
    refused = caught.value.status if isinstance(caught.value, Fault) else caught.value.code
    assert refused in (0x00000005, 0x80070005)


def test_the_cluster_interfaces_need_privacy(clients):
    setup = clients.setup(level=RPC_C_AUTHN_LEVEL_PKT_INTEGRITY)
    with pytest.raises(Fault) as caught:
        setup.host_label()
    assert caught.value.status == 0x00000005


def test_object_exporter(lab, credentials):
    """ServerAlive and ServerAlive2 need no identity; an unknown OXID and an unknown set are named so."""
    node = lab.nodes[0]
    association, resolver = exporter(node)
    with association:
        resolver.ServerAlive()
        assert resolver.ServerAlive2()
    association, resolver = exporter(node, credentials)
    with association:
        with pytest.raises(Exception) as caught:
            resolver.ResolveOxid2(0x1122334455667788, (7,))
        assert getattr(caught.value, "error_code", None) in (1910, 0x80070776, 0x776)  # OR_INVALID_OXID


def test_resolve_oxid(clients, lab, credentials):
    setup = clients.setup()
    association, resolver = exporter(lab.nodes[0], credentials)
    with association:
        for resolve in (resolver.ResolveOxid, resolver.ResolveOxid2):
            bindings = resolve(setup.proxy.object.oxid, (7,))
            texts = [binding["aNetworkAddr"].rstrip("\0") for binding in bindings]
            assert set(texts) & {text for _, text in setup.proxy.object.bindings}
