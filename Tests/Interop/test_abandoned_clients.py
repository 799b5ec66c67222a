"""Clients that stop half way: no owner, no lock and no open volume stays behind once their objects are collected."""

import contextlib
import struct
import time

import pytest
from conftest import Clients
from csvp import ERROR_BUSY, S_OK, DiskID
from dcom import Credentials, Fault, exporter
from lab import BRISK, wait_until

pytestmark = pytest.mark.parametrize("transport", ["emulated", "iscsi"], indirect=True, scope="module")

PERIOD = 3  # seconds; three missed and an object is collected
COLLECTED_WITHIN = 20


@pytest.fixture
def cluster(daemons, transport):
    made = daemons(iscsi=transport == "iscsi", ping_period=str(PERIOD), **BRISK).start()
    clients = Clients(made.lab, Credentials(made.lab.domain, made.lab.user, made.lab.password))
    yield made, clients
    clients.close()


STEPS = {
    "prepared": lambda storage, disk: storage.prepare(),
    "attached": lambda storage, disk: (storage.ready(), storage.call("CprepDiskAttach", disk)),
    "owned": lambda storage, disk: (
        storage.ready(),
        storage.call("CprepDiskAttach", disk),
        storage.call("CprepDiskPRArbitrate", disk),
    ),
    "online": lambda storage, disk: (storage.ready(), storage.take(disk)),
    "writing": lambda storage, disk: (
        storage.ready(),
        storage.take(disk),
        storage.write_file(disk, 1, "half.bin", b"x" * 100_000),
    ),
}


def test_every_step(cluster):
    """A client is cut off at each step in turn; the other node can then do all it wants with the disk."""
    nodes, clients = cluster
    disk = DiskID.of(nodes.disks[0])
    for step, act in STEPS.items():
        abandoned = clients.storage(node=0)
        act(abandoned, disk)
        clients.objects.remove(abandoned.proxy.object)
        abandoned.proxy.object.association.abort()

        other = clients.storage(node=1, ready=True)
        set_id = keep_alive(nodes.nodes[1], clients, other)
        assert other.call("CprepDiskAttach", disk)[0] == S_OK

        def arbitrated(other=other, set_id=set_id):
            ping(nodes.nodes[1], clients, set_id)
            return other.call("CprepDiskPRArbitrate", disk)[0] == S_OK

        wait_until(arbitrated, COLLECTED_WITHIN, f"the disk after a client stopped at {step!r}")
        assert other.online(disk)[0] == S_OK
        assert other.write_file(disk, 1, "other.bin", step.encode()) == S_OK
        assert other.call("CprepDiskOffline", disk)[0] == S_OK
        clients.release(other)


def ping(node, clients, set_id):
    association, resolver = exporter(node, clients.credentials)
    with association:
        resolver.SimplePing(set_id)


def keep_alive(node, clients, client) -> int:
    """Puts a client's object into a ping set; the set's identifier."""
    association, resolver = exporter(node, clients.credentials)
    with association:
        return resolver.ComplexPing(0, 0, [client.proxy.object.oid], [])["pSetId"]


def test_pings_keep_an_object_and_silence_ends_it(cluster):
    """Seen from the other node, since a call would itself be a sign of life."""
    nodes, clients = cluster
    disk = DiskID.of(nodes.disks[0])
    storage, other = clients.storage(node=0, ready=True), clients.storage(node=1, ready=True)
    set_id, other_set = keep_alive(nodes.nodes[0], clients, storage), keep_alive(nodes.nodes[1], clients, other)
    storage.take(disk)
    assert other.call("CprepDiskAttach", disk)[0] == S_OK
    _, (sector, _) = other.arb_sectors(disk)
    until = time.monotonic() + 5 * PERIOD
    while time.monotonic() < until:
        ping(nodes.nodes[0], clients, set_id)
        ping(nodes.nodes[1], clients, other_set)
        assert other.raw_write(disk, sector, b"no") == (ERROR_BUSY, 0), "a pinged object lost its disk"
        time.sleep(PERIOD / 4)

    def free():
        ping(nodes.nodes[1], clients, other_set)
        return other.raw_write(disk, sector, b"yes")[0] == S_OK

    wait_until(free, COLLECTED_WITHIN, "the silent client's object to be collected")
    with pytest.raises(Fault) as caught:
        storage.call("CprepDiskIsOnline", disk)
    assert caught.value.status == 0x80010108  # RPC_E_DISCONNECTED
    clients.objects.remove(storage.proxy.object)
    storage.proxy.object.close()


def test_connections_that_say_nothing_or_half_a_word(cluster):
    """Idle and half-finished connections do not keep others out."""
    import socket

    nodes, clients = cluster
    node = nodes.nodes[0]
    opened = []
    with contextlib.ExitStack() as stack:
        for half in (b"", b"\x05", b"\x05\x00\x0b\x03\x10\0\0\0\xff\x00\0\0\x01\0\0\0", b"\x05\x00\x0b"):
            for _ in range(20):
                connection = stack.enter_context(
                    socket.create_connection((node["address"], node["endpointMapperPort"]), 10)
                )
                connection.sendall(half)
                opened.append(connection)
        assert clients.setup().host_label()[0] == S_OK
        for connection in opened[::2]:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        assert clients.setup().host_label()[0] == S_OK
    assert clients.setup().host_label()[0] == S_OK


def test_a_resolver_binding_has_no_port_and_an_exporters_has(cluster):
    nodes, clients = cluster
    association, resolver = exporter(nodes.nodes[0])
    with association:
        for binding in resolver.ServerAlive2():
            assert "[" not in binding["aNetworkAddr"]
    assert all("[" in text for tower, text in clients.setup().proxy.object.bindings if tower == 7)


