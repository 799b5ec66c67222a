"""Two daemons on one image: only one of them owns a disk, and what happens when it stops or dies."""

import os
import threading
import time

import csvp
import pytest
from csvp import ERROR_BUSY, S_OK
from conftest import Clients
from dcom import Credentials
from lab import BRISK, wait_until

pytestmark = pytest.mark.parametrize("transport", ["emulated", "iscsi"], indirect=True, scope="module")


def failed(code):
    return code & 0x80000000 != 0


def test_ownership_is_exclusive_until_defence_stops(clients, disk):
    first, second = clients.storage(node=0, ready=True), clients.storage(node=1, ready=True)
    for storage in (first, second):
        assert storage.call("CprepDiskAttach", disk)[0] == S_OK
    _, (sector, _) = first.arb_sectors(disk)

    assert first.call("CprepDiskPRArbitrate", disk)[0] == S_OK
    assert failed(second.call("CprepDiskPRArbitrate", disk)[0])
    assert second.raw_write(disk, sector, b"intruder") == (ERROR_BUSY, 0)
    assert first.raw_write(disk, sector, b"owner" + b"\0" * 507) == (S_OK, 512)
    assert second.raw_read(disk, sector, 5) == (S_OK, b"owner"), "Write Exclusive lets others read"
    assert failed(second.call("CprepDiskOnline", disk)[0])

    # A refused challenge has not shaken the owner.
    assert first.online(disk)[0] == S_OK
    assert first.write_file(disk, 1, "mine.bin", b"mine") == S_OK
    assert first.delete_file(disk, 1, "mine.bin") == S_OK
    assert first.call("CprepDiskOffline", disk)[0] == S_OK

    assert first.call("CprepDiskStopDefense", disk)[0] == S_OK
    assert second.call("CprepDiskPRArbitrate", disk)[0] == S_OK
    assert second.raw_write(disk, sector, b"new owner" + b"\0" * 503) == (S_OK, 512)
    assert first.raw_write(disk, sector, b"old owner") == (ERROR_BUSY, 0)
    assert failed(first.call("CprepDiskPRArbitrate", disk)[0])


def test_nothing_is_written_under_cover_of_a_challenge(clients, disk):
    """A challenger is registered, which lets its node write; nobody on that node may make use of it."""
    owner = clients.storage(node=0, ready=True)
    owner.take(disk)
    challenger, intruder = clients.storage(node=1, ready=True), clients.storage(node=1, ready=True)
    for storage in (challenger, intruder):
        assert storage.call("CprepDiskAttach", disk)[0] == S_OK
    _, (sector, _) = intruder.arb_sectors(disk)
    before = owner.raw_read(disk, sector, 512)
    codes = []
    challenge = threading.Thread(target=lambda: codes.append(challenger.call("CprepDiskPRArbitrate", disk)[0]))
    challenge.start()
    writes = 0
    while challenge.is_alive():
        assert intruder.raw_write(disk, sector, b"INTRUDER") == (ERROR_BUSY, 0)
        writes += 1
        time.sleep(0.05)
    challenge.join()
    assert failed(codes[0])
    assert writes > 5, "the challenge was over before anything was tried"
    assert owner.raw_read(disk, sector, 512) == before


def test_release_of_the_object_gives_the_disk_back(clients, disk):
    first, second = clients.storage(node=0, ready=True), clients.storage(node=1, ready=True)
    first.take(disk)
    assert second.call("CprepDiskAttach", disk)[0] == S_OK
    assert failed(second.call("CprepDiskPRArbitrate", disk)[0])
    _, (sector, _) = second.arb_sectors(disk)
    assert second.raw_write(disk, sector, b"early") == (ERROR_BUSY, 0)
    clients.release(first)
    assert second.raw_write(disk, sector, b"free") == (S_OK, 512), "no reservation is left"
    assert second.call("CprepDiskPRArbitrate", disk)[0] == S_OK
    assert second.online(disk)[0] == S_OK


def test_each_node_can_own_one_disk(clients, gpt, mbr):
    first, second = clients.storage(node=0, ready=True), clients.storage(node=1, ready=True)
    first.take(gpt)
    second.take(mbr)
    assert first.write_file(gpt, 1, "a.bin", b"a") == S_OK
    assert second.write_file(mbr, 1, "b.bin", b"b") == S_OK
    assert first.delete_file(gpt, 1, "a.bin") == S_OK
    assert second.delete_file(mbr, 1, "b.bin") == S_OK


# Below, nodes of the test's own, which it may kill.


@pytest.fixture
def cluster(daemons, transport):
    made = daemons(iscsi=transport == "iscsi", **BRISK).start()
    clients = Clients(made.lab, Credentials(made.lab.domain, made.lab.user, made.lab.password))
    yield made, clients
    clients.close()


@pytest.mark.parametrize("style", ["gpt", "mbr"])
def test_a_killed_owner_is_preempted(cluster, style):
    nodes, clients = cluster
    disk = csvp.DiskID.of(next(item for item in nodes.disks if item["style"].lower() == style))
    first, second = clients.storage(node=0, ready=True), clients.storage(node=1, ready=True)
    first.take(disk)
    content = os.urandom(20_000)
    assert first.write_file(disk, 1, "left.bin", content) == S_OK
    assert second.call("CprepDiskAttach", disk)[0] == S_OK
    _, (sector, _) = second.arb_sectors(disk)
    assert failed(second.call("CprepDiskPRArbitrate", disk)[0])

    nodes.kill(0)
    clients.objects.remove(first.proxy.object)
    assert second.raw_write(disk, sector, b"early") == (ERROR_BUSY, 0), "a reservation outlives its holder"
    # The disk of a dead node is not defended: arbitration takes it, in one call or in a few.
    wait_until(
        lambda: second.call("CprepDiskPRArbitrate", disk)[0] == S_OK, 20, "arbitration to pre-empt a dead node"
    )
    assert second.raw_write(disk, sector, b"x" * 512) == (S_OK, 512)
    assert second.online(disk)[0] == S_OK
    assert second.verify_file(disk, 1, "left.bin", content) == S_OK, "what was acknowledged is on the disk"

    nodes.start(0)
    back = clients.storage(node=0, ready=True)
    assert back.call("CprepDiskAttach", disk)[0] == S_OK
    assert back.raw_write(disk, sector, b"late") == (ERROR_BUSY, 0)
    assert failed(back.call("CprepDiskPRArbitrate", disk)[0])


def test_a_stopped_node_gives_its_disks_back(cluster):
    """SIGTERM is not a crash: what the node owned is free at once."""
    nodes, clients = cluster
    disk = csvp.DiskID.of(nodes.disks[0])
    first, second = clients.storage(node=0, ready=True), clients.storage(node=1, ready=True)
    first.take(disk)
    assert second.call("CprepDiskAttach", disk)[0] == S_OK
    assert nodes.daemons[0].stop() == 0
    nodes.running.discard(0)
    clients.objects.remove(first.proxy.object)
    _, (sector, _) = second.arb_sectors(disk)
    assert second.raw_write(disk, sector, b"free")[0] == S_OK
    assert second.call("CprepDiskPRArbitrate", disk)[0] == S_OK


def test_a_restarted_node_takes_off_what_its_crash_left(cluster):
    """Nobody arbitrates: the node that comes back knows that it does not own the disk."""
    nodes, clients = cluster
    disk = csvp.DiskID.of(nodes.disks[0])
    first, second = clients.storage(node=0, ready=True), clients.storage(node=1, ready=True)
    first.take(disk)
    assert second.call("CprepDiskAttach", disk)[0] == S_OK
    _, (sector, _) = second.arb_sectors(disk)
    nodes.kill(0)
    clients.objects.remove(first.proxy.object)
    assert second.raw_write(disk, sector, b"early") == (ERROR_BUSY, 0)
    nodes.start(0)
    wait_until(lambda: second.raw_write(disk, sector, b"free") == (S_OK, 512), 10, "the disk to be free")
