"""IClusterNetwork2 of [MS-CSVP] 3.6: every method, every error and every rule of state, by a foreign client.

What the adapters' octets say is in test_adapters.py, what becomes of the probes between hosts in test_routes.py, and which firewalls let
what through in test_firewall.py.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from pathlib import Path

import csvp
import csvp_network as net
import pytest
from csvp_network import NodeRouteInfo, Records, longs, marshaled, records, refusal, route_request, strings

VIRTUAL = "fe80::1"
BAD_STUB_FAULT = "fault 0x6f7"


@pytest.fixture
def network(clients, survives):
    opened = clients.activate(net.CLSID_ClusterNetwork2, net.IID_IClusterNetwork2)
    return net.Network(opened.main)


@pytest.fixture
def ready(network):
    assert network.initialize()[0] == csvp.S_OK
    return network


def loopback_routes(*indices: int) -> list[NodeRouteInfo]:
    """Routes of this host to itself."""
    return [NodeRouteInfo.of("fe80::2", [("127.0.0.1", "127.0.0.1", index) for index in indices])]


def changed(**parts) -> list[NodeRouteInfo]:
    """One good route, with parts of its NODE_ROUTE_INFO replaced."""
    node = loopback_routes(1)[0]
    for name, value in parts.items():
        setattr(node, name, value)
    return [node]


# MARK: InitializeNode and CleanupNode


@pytest.mark.parametrize("port", [0, 1, 3343, 4242, 65535])
def test_port(network, port):
    code, answer = network.initialize(port)
    assert code == csvp.S_OK
    assert answer["BoundUDPPort"] == (port or 3343)
    assert answer["ClusprepVersion"] == 5


def test_initialize_again_and_again(network):
    for port in (0, 0, 4242, 0):
        code, answer = network.initialize(port)
        assert (code, answer["BoundUDPPort"]) == (csvp.S_OK, port or 3343)
    assert network.clean_up() == csvp.S_OK


def test_clean_up_needs_initialization(network):
    assert network.clean_up() == csvp.ERROR_INVALID_STATE
    assert network.initialize()[0] == csvp.S_OK
    assert network.clean_up() == csvp.S_OK
    assert network.clean_up() == csvp.ERROR_INVALID_STATE


def test_state_belongs_to_the_activation(clients, network):
    assert network.initialize()[0] == csvp.S_OK
    other = net.Network(clients.activate(net.CLSID_ClusterNetwork2, net.IID_IClusterNetwork2).main)
    assert other.clean_up() == csvp.ERROR_INVALID_STATE
    assert other.initialize()[0] == csvp.S_OK
    assert other.clean_up() == csvp.S_OK
    assert network.round_trip("127.0.0.1", "127.0.0.1")[0] == csvp.S_OK


# MARK: SendRTMessage


@pytest.mark.parametrize(
    "address, family", [("127.0.0.1", net.AF_INET), ("::1", net.AF_INET6)], ids=["IPv4", "IPv6"]
)
def test_round_trip(ready, address, family):
    # The port, the size and an overlong timeout change nothing.
    for port, size, timeout in [(3343, 64, 1000), (1, 0, 0), (0, 0xFFFFFFFF, 0xFFFFFFFF)]:
        code, elapsed = ready.round_trip(address, address, family, port, size, timeout)
        assert code == csvp.S_OK
        assert elapsed <= 1000


def test_round_trip_needs_initialization(network):
    assert network.round_trip("127.0.0.1", "127.0.0.1")[0] == csvp.ERROR_INVALID_STATE
    assert network.initialize()[0] == csvp.S_OK
    assert network.round_trip("127.0.0.1", "127.0.0.1")[0] == csvp.S_OK
    assert network.clean_up() == csvp.S_OK
    assert network.round_trip("127.0.0.1", "127.0.0.1")[0] == csvp.ERROR_INVALID_STATE


@pytest.mark.parametrize(
    "source, destination, family, expected",
    [
        ("127.0.0.1", "127.0.0.1", net.AF_INET6, csvp.ERROR_INVALID_PARAMETER),
        ("::1", "::1", net.AF_INET, csvp.ERROR_INVALID_PARAMETER),
        ("127.0.0.1", "::1", net.AF_INET, csvp.ERROR_INVALID_PARAMETER),
        ("::ffff:127.0.0.1", "::1", net.AF_INET6, csvp.ERROR_INVALID_PARAMETER),
        ("127.0.0.1", "127.0.0.1", 10, net.WSAEAFNOSUPPORT),  # Linux's AF_INET6
        ("127.0.0.1", "127.0.0.1", 0, net.WSAEAFNOSUPPORT),
        (None, "127.0.0.1", net.AF_INET, csvp.ERROR_INVALID_PARAMETER),
        ("127.0.0.1", None, net.AF_INET, csvp.ERROR_INVALID_PARAMETER),
        ("", "", net.AF_INET, csvp.ERROR_INVALID_PARAMETER),
        ("localhost", "127.0.0.1", net.AF_INET, csvp.ERROR_INVALID_PARAMETER),
        ("127.0.0.1", "224.0.0.1", net.AF_INET, csvp.ERROR_INVALID_PARAMETER),
        ("127.0.0.1", "255.255.255.255", net.AF_INET, csvp.ERROR_INVALID_PARAMETER),
        ("127.0.0.1", "ff02::1", net.AF_INET6, csvp.ERROR_INVALID_PARAMETER),
        (b"1", "127.0.0.1", net.AF_INET, csvp.ERROR_INVALID_PARAMETER),  # half a character
        ("1" * 100_000, "127.0.0.1", net.AF_INET, csvp.ERROR_INVALID_PARAMETER),
    ],
)
def test_round_trips_that_cannot_be(ready, source, destination, family, expected):
    assert ready.round_trip(source, destination, family)[0] == expected
    assert ready.round_trip("127.0.0.1", "127.0.0.1")[0] == csvp.S_OK


def test_round_trip_from_an_address_of_nobody(ready):
    # What the kernel says to it depends on its routes: that it has no such address, or no such network.
    assert ready.round_trip("203.0.113.77", "127.0.0.1")[0] in (net.WSAEADDRNOTAVAIL, net.NETWORK_UNREACHABLE)


# MARK: GetIpConfigSerialized and QueryFirewallConfiguration, in whatever state


def test_adapters_in_every_state(network):
    for _ in range(2):
        code, everything = network.adapters(0)
        assert code == csvp.S_OK
        assert struct.unpack_from("<HH", everything) == (2, 0x227A)
        for apply_filter in (1, 0x7F, 0x80, 0xFF):
            code, filtered = network.adapters(apply_filter)
            assert code == csvp.S_OK
            # At least the loopback adapter is left out.
            assert len(filtered) < len(everything)
        assert network.initialize()[0] == csvp.S_OK


def test_firewall_in_every_state(network):
    answers = set()
    for _ in range(2):
        code, server, management = network.firewall()
        assert code == csvp.S_OK
        assert server in (0, 1) and management in (0, 1)
        answers.add((server, management))
        assert network.initialize()[0] == csvp.S_OK
    assert len(answers) == 1


# MARK: Routes


def test_vectors_of_requests():
    """The stubs that the unit tests read are those of this module."""
    two = [
        NodeRouteInfo.of("fe80::2", [("192.0.2.1", "192.0.2.2", 7), ("2001:db8::1", "2001:db8::2", 0xFFFFFFFF)]),
        NodeRouteInfo.of("fe80::3", [("192.0.2.1", "192.0.2.3", 0)]),
    ]
    made = {
        "ADD_ROUTES_REQUEST.one": route_request(VIRTUAL, [NodeRouteInfo.of("fe80::2", [("10.0.0.1", "10.0.0.2", 7)])]),
        "ADD_ROUTES_REQUEST.array": route_request(VIRTUAL, two),
        "ADD_ROUTES_REQUEST.each": route_request(VIRTUAL, two, one_by_one=True),
    }
    kept = Path(__file__).parents[2] / "Fixtures/routes/requests.json"
    assert json.loads(kept.read_text()) == {name: octets.hex() for name, octets in made.items()}


@pytest.mark.parametrize("one_by_one", [False, True], ids=["as an array", "one by one"])
def test_routes_from_start_to_end(ready, one_by_one):
    nodes = [
        NodeRouteInfo.of("fe80::2", [("127.0.0.1", "127.0.0.1", 9), ("::1", "::1", 0)]),
        NodeRouteInfo.of("fe80::3", [("127.0.0.1", "203.0.113.9", 0xFFFFFFFF)]),
    ]
    assert ready.status() == (csvp.S_OK, None)
    assert ready.cancel() == net.E_FAIL
    assert ready.add_routes(route_request(VIRTUAL, nodes, one_by_one)) == csvp.S_OK
    assert ready.add_routes(route_request(VIRTUAL, nodes)) == net.E_FAIL
    time.sleep(1.5)  # routes are probed several times a second
    code, routes = ready.status()
    assert code == csvp.S_OK
    assert [index for index, _, _ in routes] == [9, 0, 0xFFFFFFFF]
    assert [(loss, state) for _, loss, state in routes[:2]] == [(0, net.UP)] * 2
    assert routes[2][2] == net.DOWN
    # Asked once, they are watched no longer.
    assert ready.status() == (csvp.S_OK, None)
    assert ready.cancel() == net.E_FAIL
    assert ready.add_routes(route_request(VIRTUAL, nodes)) == csvp.S_OK
    assert ready.cancel() == csvp.S_OK
    assert ready.cancel() == net.E_FAIL
    assert ready.status() == (csvp.S_OK, None)


def test_status_at_once_is_down_without_loss(network):
    """3.6.4.6: a new route is DOWN and has lost nothing."""
    nobody = [NodeRouteInfo.of("fe80::2", [("203.0.113.1", "203.0.113.2", 1)])]
    assert network.add_routes(route_request(VIRTUAL, nobody)) == csvp.S_OK
    code, [(index, _, state)] = network.status()
    assert (code, index, state) == (csvp.S_OK, 1, net.DOWN)


def test_clean_up_ends_the_watching(ready):
    assert ready.add_routes(route_request(VIRTUAL, loopback_routes(1))) == csvp.S_OK
    assert ready.clean_up() == csvp.S_OK
    assert ready.status() == (csvp.S_OK, None)


def test_routes_of_two_activations(clients, network):
    other = net.Network(clients.activate(net.CLSID_ClusterNetwork2, net.IID_IClusterNetwork2).main)
    assert network.add_routes(route_request(VIRTUAL, loopback_routes(1))) == csvp.S_OK
    assert other.status() == (csvp.S_OK, None)
    assert other.add_routes(route_request(VIRTUAL, loopback_routes(2))) == csvp.S_OK
    assert [route[0] for route in network.status()[1]] == [1]
    assert [route[0] for route in other.status()[1]] == [2]


def test_reserved_method(network):
    assert network.reserved() == csvp.E_NOTIMPL


ROUTE = strings(["127.0.0.1"])
TWO = strings(["127.0.0.1", "127.0.0.1"])
FEATURES = net.FADF_BSTR | net.FADF_HAVEVARTYPE


@pytest.mark.parametrize(
    "nodes",
    [
        None,
        [],
        changed(locals=strings(["::1"])),
        changed(remotes=strings(["::1"])),
        changed(locals=strings(["::ffff:127.0.0.1"]), remotes=strings(["::ffff:127.0.0.1"])),
        changed(locals=strings(["0.0.0.0"])),
        changed(remotes=strings(["224.0.0.1"])),
        changed(remotes=strings(["255.255.255.255"])),
        changed(remotes=strings(["127.0.0"])),
        changed(remotes=strings(["127.0.0.1 "])),
        changed(remotes=strings(["127.0.0.1\0"])),
        changed(remotes=strings([""])),
        changed(remotes=strings([None])),
        changed(remotes=strings([b"1"])),
        changed(remote_virtual=None),
        changed(remote_virtual="nobody"),
        changed(locals=None),
        changed(remotes=None),
        changed(indices=None),
        changed(locals=strings([]), remotes=strings([]), indices=longs([])),
        changed(locals=TWO),
        changed(remotes=TWO),
        changed(indices=longs([1, 2])),
        changed(locals=TWO, remotes=TWO),
        changed(locals=TWO, remotes=TWO, indices=longs([7, 7])),
        loopback_routes(3, 1) + loopback_routes(2, 3),
        changed(indices=strings(["1"])),
        changed(locals=longs([1])),
        changed(indices=longs([1], vt=net.VT_BOOL, kind=net.SF_I2, size=2)),
        changed(indices=longs([1], bounds=[(1, 0), (1, 0)])),
        changed(locals=strings(["127.0.0.1"], bounds=[(1, 0)] * 9)),
        longs([1]),
        records(Records(marshaled(loopback_routes(1)), 0)),
    ],
    ids=lambda nodes: None,
)
def test_requests_that_make_no_sense(network, nodes):
    assert refusal(lambda: network.add_routes(route_request(VIRTUAL, nodes))) == csvp.ERROR_INVALID_PARAMETER
    assert network.cancel() == net.E_FAIL, "nothing is watched"
    assert network.add_routes(route_request(VIRTUAL, loopback_routes(1))) == csvp.S_OK


@pytest.mark.parametrize("virtual", [None, "", "nobody", b"1", "1" * 100_000])
def test_virtual_addresses_that_are_none(network, virtual):
    stub = route_request(virtual, loopback_routes(1))
    assert refusal(lambda: network.add_routes(stub)) == csvp.ERROR_INVALID_PARAMETER


GOOD = marshaled(loopback_routes(1))


@pytest.mark.parametrize(
    "nodes",
    [
        changed(indices=longs([1], features=net.FADF_HAVEVARTYPE | net.FADF_BSTR)),
        changed(indices=longs([1], features=net.FADF_HAVEVARTYPE | net.FADF_RECORD)),
        changed(indices=longs([1], vt=0)),
        changed(indices=longs([1], vt=net.VT_BSTR)),
        changed(indices=longs([1], vt=net.VT_DECIMAL)),
        changed(indices=longs([1], size=0)),
        changed(indices=longs([1], size=8)),
        changed(indices=longs([1], size=0xFFFFFFFF)),
        changed(indices=longs([1], bounds=[])),
        changed(indices=longs([1], bounds=[(2, 0)])),
        changed(indices=longs([1], bounds=[(0, 0)])),
        changed(indices=longs([1], bounds=[(0xFFFFFFFF, 0)])),
        changed(indices=longs([1, 2], bounds=[(2, 0x7FFFFFFF)])),
        changed(indices=longs([1], bounds=[(0x10000, 0)] * 4)),
        changed(indices=longs([1], bounds=[(0xFFFFFFFF, -(2**31))] * 1000)),
        changed(locals=strings(["127.0.0.1"], features=0)),
        changed(locals=strings(["127.0.0.1"], features=net.FADF_VARIANT)),
        changed(locals=strings(["127.0.0.1"], size=8)),
        changed(locals=strings(["127.0.0.1"], vt=net.VT_UI4)),
        records(Records(GOOD, 1), features=0),
        records(Records(GOOD, 1), features=net.FADF_RECORD | net.FADF_BSTR),
        records(Records(GOOD, 1), size=0),
        records(Records(GOOD, 1), size=5),
        records(Records(GOOD, 1, flags=0)),
        records(Records(GOOD, 1, flags=2)),
        records(Records(GOOD, 1, prefix=4)),
        records(Records(GOOD, 1, prefix=0xFFFFFFFF)),
        records(Records(GOOD, 1, clsid=bytes(16))),
        records(Records(GOOD, 1, iid=bytes(16))),
        records(Records(GOOD, 1, info=bytes(43))),
        records(Records(GOOD, 1, info=bytes(45))),
        records(Records(GOOD, 1, info=b"")),
        records(Records(GOOD, 1, description=False)),
        records(Records(GOOD, 1, collections=2)),
        records(Records(GOOD, 2)),
        records(Records(GOOD, 0x7FFFFFFF)),
        records(Records(GOOD[:-1], 1)),
        records(Records(GOOD + bytes(8), 1)),
        records(Records(b"", 1)),
        records(Records(None, 1)),
    ],
    ids=lambda nodes: None,
)
def test_arrays_that_contradict_themselves(network, nodes):
    """RPC_X_BAD_STUB_DATA, [MS-OAUT] 2.2.30.10, as the return value; too many records for the bounded list is its own code."""
    expected = {net.BAD_STUB}
    if isinstance(nodes, net.SafeArray) and nodes.elements.count > 131_072:
        expected = {net.NOT_ENOUGH_QUOTA}
    assert refusal(lambda: network.add_routes(route_request(VIRTUAL, nodes))) in expected
    assert network.add_routes(route_request(VIRTUAL, loopback_routes(1))) == csvp.S_OK


@pytest.mark.parametrize(
    "nodes",
    [
        changed(indices=longs([1], discriminant=net.SF_ERROR)),
        changed(indices=longs([1], discriminant=0)),
        changed(indices=longs([1], count=0x10000000)),
        changed(locals=strings(["127.0.0.1"], count=0x7FFFFFFF)),
    ],
    ids=["SF_ERROR", "no type", "long", "longer"],
)
def test_records_whose_octets_do_not_decode(network, nodes):
    """Inside a record's octets malformed NDR is the record's fault, not the stub's."""
    assert refusal(lambda: network.add_routes(route_request(VIRTUAL, nodes))) == net.BAD_STUB


@pytest.mark.parametrize(
    "array",
    [
        records(Records(GOOD, 1), discriminant=net.SF_ERROR),
        records(Records(GOOD, 1), discriminant=0x55),
        records(Records(GOOD, 1), count=0x7FFFFFFF),
        records(Records(GOOD, 1, size=len(GOOD))),
    ],
    ids=["SF_ERROR", "no type", "long", "short"],
)
def test_stubs_that_do_not_decode(network, array):
    assert refusal(lambda: network.add_routes(route_request(VIRTUAL, array))) == BAD_STUB_FAULT


@pytest.mark.parametrize(
    "nodes",
    [
        changed(indices=longs([1], locks=0xFFFF)),
        changed(indices=longs([1], features=0x97)),
        changed(indices=longs([1], features=0, vt=0)),
        changed(indices=longs([1], vt=net.VT_I4)),
        changed(indices=longs([1], bounds=[(1, -5)])),
        changed(indices=longs([1], bounds=[(1, 0x7FFFFFFF)])),
        changed(locals=strings(["127.0.0.1"], features=net.FADF_BSTR, vt=0)),
        records(Records(GOOD, 1), size=16),
        records(Records(GOOD, 1), size=32),
        records(Records(GOOD, 1, info=bytes(44))),
        records(Records(GOOD, 1), vt=net.VT_RECORD),
        records(Records(GOOD, 1), features=net.FADF_RECORD | net.FADF_HAVEVARTYPE, vt=net.VT_RECORD),
        records(Records(GOOD + bytes(4), 1)),
        changed(remote_virtual="4)+k&C#VzJ4br>0wv%Yp"),  # the example of RFC 1924
    ],
    ids=lambda nodes: None,
)
def test_what_receivers_let_pass(network, nodes):
    assert refusal(lambda: network.add_routes(route_request(VIRTUAL, nodes))) == csvp.S_OK
    assert [route[0] for route in network.status()[1]] == [1]


def resident(pid: int) -> int:
    """A process's resident memory in octets."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def test_a_hundred_thousand_routes(lab, network):
    count = 100_000
    before = resident(lab.nodes[0]["pid"])
    started = time.monotonic()
    stub = route_request(VIRTUAL, [NodeRouteInfo.of("fe80::2", [("127.0.0.1", "127.0.0.1", n) for n in range(count)])])
    asked = time.monotonic()
    assert network.add_routes(stub) == csvp.S_OK
    code, routes = network.status()
    assert code == csvp.S_OK
    assert [index for index, _, _ in routes] == list(range(count))
    print(f"{asked - started:.1f} s here, {time.monotonic() - asked:.1f} s there and back")
    grown = resident(lab.nodes[0]["pid"]) - before
    assert grown < 512 << 20, f"the node grew by {grown >> 20} MiB"


def test_more_routes_than_are_taken(network):
    addresses = strings(["127.0.0.1"] * 131_073)
    nodes = changed(locals=addresses, remotes=addresses, indices=longs(range(131_073)))
    assert network.add_routes(route_request(VIRTUAL, nodes)) == net.NOT_ENOUGH_QUOTA
    assert network.cancel() == net.E_FAIL


def test_a_hundred_thousand_nodes_of_one_route(network):
    count = 100_000
    repeated = [NodeRouteInfo.of("fe80::2", [("127.0.0.1", "127.0.0.1", number)]) for number in (1, 1)]
    stub = route_request(VIRTUAL, records(Records(marshaled(repeated * (count // 2)), count)))
    assert network.add_routes(stub) == csvp.ERROR_INVALID_PARAMETER


def test_port_in_use(network):
    """A port that somebody else has: the node says so and stays uninitialized."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        taken.bind(("::", 0))
        code, _ = network.initialize(taken.getsockname()[1])
    assert code == 0x80072740  # WSAEADDRINUSE
    assert network.clean_up() == csvp.ERROR_INVALID_STATE
