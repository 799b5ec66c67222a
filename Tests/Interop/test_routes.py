"""Two nodes in two network namespaces, with two networks and both families between them.

Round trips, and the routes that ProcessAddRoutes watches ([MS-CSVP] 3.6.4.2 and 3.6.4.6 through 3.6.4.8). What a node
sends is seen on the wire.
"""

from __future__ import annotations

import socket
import struct
import time

import pytest
from conftest import Clients
from csvp import S_OK
from csvp_network import (
    AF_INET,
    AF_INET6,
    DOWN,
    TIMEOUT,
    UP,
    UP_DOWN,
    CLSID_ClusterNetwork2,
    IID_IClusterNetwork2,
    Network,
    NodeRouteInfo,
    route_request,
)
from dcom import Credentials
from lab import Daemons, wait_until
from namespaces import NETWORKS, Hosts, Sniffer

#: How a probe begins, whatever it travels in (docs/route-probes.md).
MAGIC = b"CPRP"
FAMILIES = {AF_INET: socket.AF_INET, AF_INET6: socket.AF_INET6}
#: (local, remote) of every way from the first host to the second.
ROUTES = [
    (network.address(0, family), network.address(1, family))
    for network in NETWORKS
    for family in (socket.AF_INET, socket.AF_INET6)
]
both = pytest.mark.parametrize("family", FAMILIES, ids=["IPv4", "IPv6"])


class Site:
    """The two hosts with a node on each, and clients that come from the node's own host."""

    def __init__(self, folder, **settings: str):
        self.hosts = Hosts()
        self.nodes = None
        try:
            with self.hosts.inside(0):
                self.nodes = Daemons(folder, nodes=2, disks=1, **settings)
            for number in range(2):
                self.start(number)
        except BaseException:
            self.remove()
            raise
        lab = self.nodes.lab
        credentials = Credentials(lab.domain, lab.user, lab.password)
        self.clients = [Clients(lab, credentials) for _ in range(2)]

    def start(self, number: int, **settings: str):
        """Starts a node, with these settings besides the site's."""
        before = self.nodes.settings
        self.nodes.settings = {**before, **settings}
        try:
            with self.hosts.inside(number):
                self.nodes.start(number)
        finally:
            self.nodes.settings = before

    def restart(self, number: int, **settings: str):
        self.nodes.kill(number)
        self.start(number, **settings)

    def network(self, number: int, initialized: bool = True) -> Network:
        with self.hosts.inside(number):
            network = Network(self.clients[number].activate(CLSID_ClusterNetwork2, IID_IClusterNetwork2, number).main)
            if initialized:
                assert network.initialize()[0] == S_OK
        return network

    def release(self):
        """Gives all objects back, from where their nodes can be reached."""
        for number in range(2):
            with self.hosts.inside(number):
                self.clients[number].close()

    def remove(self):
        if self.nodes:
            self.nodes.stop()
        self.hosts.remove()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("routes") / "shared")
    yield made
    made.remove()


@pytest.fixture(autouse=True)
def whole(site):
    """Every test finds the networks whole and nobody's object on a node."""
    yield
    # First, for what is to be released has to be reached.
    site.hosts.filter(1)
    site.release()
    for network in NETWORKS:
        site.hosts.link(1, network, up=True)


@pytest.fixture
def sniffer(site):
    made = Sniffer(site.hosts, 0)
    yield made
    made.close()


@pytest.fixture
def pair(site):
    """An object on each node, both initialized, so that each answers the other's probes."""
    return site.network(0), site.network(1)


def request(routes) -> bytes:
    numbered = [(local, remote, 100 + number) for number, (local, remote) in enumerate(routes)]
    return route_request("192.0.2.1", [NodeRouteInfo.of("192.0.2.2", numbered)])


def observed(network: Network, count: int = len(ROUTES)):
    code, routes = network.status()
    assert code == S_OK
    assert [index for index, _, _ in routes] == list(range(100, 100 + count))
    return [(loss, state) for _, loss, state in routes]


def watch(network: Network, seconds: float, routes=ROUTES):
    assert network.add_routes(request(routes)) == S_OK
    time.sleep(seconds)
    return observed(network, len(routes))


# Round trips


@both
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.device)
def test_a_round_trip(pair, sniffer, network, family):
    source, destination = (network.address(host, FAMILIES[family]) for host in range(2))
    sniffer.frames(MAGIC)
    code, elapsed = pair[0].round_trip(source, destination, family)
    assert code == S_OK
    assert elapsed <= 1000
    [(_, device, frame)] = sniffer.frames(MAGIC)
    assert device == network.device
    assert socket.inet_pton(FAMILIES[family], source) + socket.inet_pton(FAMILIES[family], destination) in frame
    header = frame[: frame.index(MAGIC)]
    assert struct.unpack("!H", header[-6:-4]) == (3343,), "to the responder's port"


@both
def test_a_round_trip_by_echo_where_nobody_answers(site, sniffer, family):
    """The second node is not initialized."""
    first = site.network(0)
    source, destination = (NETWORKS[0].address(host, FAMILIES[family]) for host in range(2))
    sniffer.frames(MAGIC)
    code, elapsed = first.round_trip(source, destination, family)
    assert code == S_OK
    assert elapsed < 500, "a host that says so is not waited for"
    protocols = [frame[23] if frame[12:14] == b"\x08\x00" else frame[20] for _, _, frame in sniffer.frames(MAGIC)]
    assert protocols == [17, 1 if family == AF_INET else 58]


@both
def test_a_round_trip_to_nobody(pair, family):
    source = NETWORKS[0].address(0, FAMILIES[family])
    nobody = NETWORKS[0].address(98, FAMILIES[family])
    started = time.monotonic()
    code, _ = pair[0].round_trip(source, nobody, family)
    assert code == TIMEOUT
    assert time.monotonic() - started < 20, "the limit is 1,000 ms; the rest is the machine's"


@both
def test_a_client_cannot_wait_longer_than_a_second(pair, site, family):
    source, destination = (NETWORKS[0].address(host, FAMILIES[family]) for host in range(2))
    site.hosts.filter(1, "drop")
    started = time.monotonic()
    assert pair[0].round_trip(source, destination, family, timeout=60_000)[0] == TIMEOUT
    assert time.monotonic() - started < 20, "not the minute that was asked for"


@both
def test_a_round_trip_from_an_address_that_is_not_ours(pair, family):
    destination = NETWORKS[0].address(1, FAMILIES[family])
    foreign = NETWORKS[0].address(76, FAMILIES[family])
    assert pair[0].round_trip(foreign, destination, family)[0] & 0x80000000


# Routes


def test_sound_routes_are_up(pair):
    assert watch(pair[0], 3) == [(0, UP)] * len(ROUTES)


def test_routes_are_up_by_echo_where_nobody_answers(site):
    assert watch(site.network(0), 3) == [(0, UP)] * len(ROUTES)


def test_a_link_that_is_down(site, pair):
    site.hosts.link(1, NETWORKS[1], up=False)
    assert watch(pair[0], 4) == [(0, UP)] * 2 + [(100, DOWN)] * 2


def test_a_link_that_flaps(site, pair):
    assert pair[0].add_routes(request(ROUTES)) == S_OK
    time.sleep(2)
    site.hosts.link(1, NETWORKS[1], up=False)
    time.sleep(3)
    site.hosts.link(1, NETWORKS[1], up=True)
    time.sleep(3)
    *sound, flapped4, flapped6 = observed(pair[0])
    assert pair[0].status() == (S_OK, None), "telling what was seen ends the watch"
    assert sound == [(0, UP)] * 2
    for loss, state in (flapped4, flapped6):
        assert state == UP_DOWN
        assert 10 < loss < 90


def test_a_third_of_the_probes_is_lost(site, pair):
    site.hosts.filter(1, "udp dport 3343 numgen random mod 100 < 30 drop")
    # Three hundred probes of each route: a standard deviation is 2.6 points.
    for loss, state in watch(pair[0], 31):
        assert 20 <= loss <= 40
        assert state == UP


def test_routes_that_lead_nowhere(pair):
    routes = [
        ("198.51.100.77", "198.51.100.2"),
        ("198.51.100.1", "198.51.100.99"),
        ("198.51.100.1", "192.0.2.7"),
        ("2001:db8:1::4d", "2001:db8:1::2"),
        ("2001:db8:1::1", "2001:db8:99::1"),
        ROUTES[0],
    ]
    assert watch(pair[0], 4, routes) == [(100, DOWN)] * 5 + [(0, UP)]


def test_each_route_is_probed_several_times_a_second_on_its_network(pair, sniffer):
    assert pair[0].add_routes(request(ROUTES)) == S_OK
    time.sleep(0.5)
    sniffer.frames(MAGIC)
    time.sleep(3)
    frames = sniffer.frames(MAGIC)
    observed(pair[0])
    for local, remote in ROUTES:
        family = socket.AF_INET6 if ":" in local else socket.AF_INET
        addresses = socket.inet_pton(family, local) + socket.inet_pton(family, remote)
        seen = [(when, device) for when, device, frame in frames if addresses in frame]
        # By the frames' own times: those of a test say nothing.
        rate = (len(seen) - 1) / (seen[-1][0] - seen[0][0])
        assert 6 <= rate <= 13, "ten a second"
        assert {device for _, device in seen} == {next(item.device for item in NETWORKS if item.address(0, family) == local)}


# The end


def begin(network: Network, sniffer: Sniffer):
    assert network.add_routes(request(ROUTES)) == S_OK
    wait_until(lambda: sniffer.frames(MAGIC), 5, "the first probe")


def test_nothing_is_sent_after_cancel(pair, sniffer):
    begin(pair[0], sniffer)
    assert pair[0].cancel() == S_OK
    sniffer.quiet_since(time.time(), 2, MAGIC)


def test_nothing_is_sent_after_the_status_was_told(pair, sniffer):
    begin(pair[0], sniffer)
    observed(pair[0])
    sniffer.quiet_since(time.time(), 2, MAGIC)


def test_nothing_is_sent_after_clean_up(pair, sniffer):
    begin(pair[0], sniffer)
    assert pair[0].clean_up() == S_OK
    sniffer.quiet_since(time.time(), 2, MAGIC)


def test_nothing_is_sent_after_release(site, pair, sniffer):
    begin(pair[0], sniffer)
    with site.hosts.inside(0):
        site.clients[0].release(pair[0])
    sniffer.quiet_since(time.time(), 2, MAGIC)


def test_nothing_is_sent_for_a_client_that_is_gone(site, sniffer):
    """Nobody pings the object any more; after three periods of a second it is collected, and its probes end."""
    site.restart(0, ping_period="1")
    network = site.network(0)
    begin(network, sniffer)
    site.clients[0].objects.remove(network.proxy.object)
    network.proxy.object.close()

    def is_quiet():
        time.sleep(1)
        return not sniffer.frames(MAGIC)

    wait_until(is_quiet, 30, "the probes to end")
    sniffer.quiet_since(time.time(), 2, MAGIC)
    site.restart(0)


def test_nothing_is_sent_by_a_node_that_was_killed(site, pair, sniffer):
    begin(pair[0], sniffer)
    site.nodes.kill(0)
    moment = time.time()
    site.clients[0].objects.remove(pair[0].proxy.object)
    sniffer.quiet_since(moment, 2, MAGIC)
    site.start(0)
    fresh = site.network(0)
    sniffer.quiet_since(moment, 1, MAGIC)
    assert fresh.status() == (S_OK, None)


# The responder


def exchange(site, octets: bytes, port: int = 3343, wait: float = 0.5, expects: int = 0) -> list[bytes]:
    """What a host without a node gets back for a datagram; as many answers as are expected are waited for longer."""
    with site.hosts.inside(0), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(octets, (NETWORKS[0].address(1, socket.AF_INET), port))
        answers = []
        try:
            while True:
                client.settimeout(wait if len(answers) >= expects else 30)
                answers.append(client.recv(65536))
        except TimeoutError:
            return answers


def probe(length: int = 64, kind: int = 1, version: int = 1, told: int | None = None, padding: bytes = b"") -> bytes:
    header = MAGIC + struct.pack("!BBHQLL", version, kind, length if told is None else told, 1, 2, 3)
    return (header + padding).ljust(length, b"\0")[:length]


@pytest.mark.parametrize("length", [32, 64, 1232])
def test_the_responder_answers_with_as_many_octets(site, pair, length):
    assert exchange(site, probe(length), expects=1) == [probe(length, kind=2)]


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"CPRP",
        probe(31),
        probe(1233),
        probe(kind=2),
        probe(kind=0),
        probe(version=2),
        probe(told=65),
        probe(padding=b"x"),
        b"XPRP" + probe()[4:],
        b"\0" * 64,
    ],
    ids=["nothing", "magic", "short", "long", "answer", "kind", "version", "length", "padding", "other", "zeros"],
)
def test_the_responder_answers_nothing_else(site, pair, octets):
    assert exchange(site, octets) == []


def test_the_responder_limits_a_stranger(site, pair):
    with site.hosts.inside(0), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        client.settimeout(0.5)
        started = time.monotonic()
        for _ in range(3000):
            client.sendto(probe(32), (NETWORKS[0].address(1, socket.AF_INET), 3343))
        answers = 0
        try:
            while True:
                client.recv(64)
                answers += 1
        except TimeoutError:
            pass
        passed = time.monotonic() - started
    assert 0 < answers <= 500 + 500 * passed


def test_the_responder_goes_with_the_initialization(site, pair):
    assert exchange(site, probe(), expects=1) != []
    assert pair[1].clean_up() == S_OK
    with pytest.raises(ConnectionRefusedError):
        with site.hosts.inside(0), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.connect((NETWORKS[0].address(1, socket.AF_INET), 3343))
            client.send(probe())
            client.recv(64)
