"""Restarts of what a reservation lives in: the nodes, the host of emulated units, the target. And owners that are robbed while
they write."""

import json
import os
import struct
import threading
import uuid

import csvp
import pytest
from conftest import Clients
from csvp import ERROR_BUSY, ERROR_INVALID_STATE, ERROR_NOT_READY, S_OK
from dcom import Credentials
from lab import BRISK, wait_until

pytestmark = pytest.mark.parametrize("transport", ["emulated", "iscsi"], indirect=True, scope="module")

ABSENT, ELSEWHERE, HERE = 0, 1, 2


@pytest.fixture
def cluster(daemons, transport):
    made = daemons(iscsi=transport == "iscsi", **BRISK).start()
    clients = Clients(made.lab, Credentials(made.lab.domain, made.lab.user, made.lab.password))
    yield made, clients
    clients.close()


def attached(clients, disk, node):
    storage = clients.storage(node=node, ready=True)
    assert storage.call("CprepDiskAttach", disk)[0] == S_OK
    return storage


def crc32c(octets: bytes) -> int:
    """RFC 3720 appendix B.4."""
    register = 0xFFFFFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def boot_host(image: str):
    """Makes an emulated unit's state one from before the host was booted, which is its loss of power."""
    with open(image + ".reservations", "r+b") as file:
        header = bytearray(file.read(512))
        slot, length = struct.unpack_from(">L", header, 20)[0], struct.unpack_from(">L", header, 32)[0]
        offset = 4096 + slot * 262_144
        file.seek(offset)
        state = file.read(length)
        before = json.loads(state)["bootIdentifier"].encode()
        assert state.count(before) == 1
        state = state.replace(before, str(uuid.uuid4()).encode().ljust(len(before))[: len(before)])
        file.seek(offset)
        file.write(state)
        struct.pack_into(">L", header, 36, crc32c(state))
        struct.pack_into(">L", header, 508, crc32c(header[:508]))
        file.seek(0)
        file.write(header)


@pytest.mark.parametrize("whose", ["client", "node"])
@pytest.mark.parametrize("loss", ["nodes", "power"])
def test_what_outlasts_a_restart(cluster, transport, whose, loss):
    """Nodes that die leave their reservations. A loss of power leaves those made with APTPL, as a client's and an owner's are
    on a unit that is able to keep them; tgtd keeps nothing."""
    nodes, clients = cluster
    disk = csvp.DiskID.of(nodes.disks[0])
    first = attached(clients, disk, 0)
    if whose == "client":
        assert first.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]
    else:
        assert first.codes(disk, "PRArbitrate", "CprepDiskOnline") == [S_OK, S_OK]
        assert first.write_file(disk, 1, "left.bin", b"left") == S_OK
    nodes.kill_all()
    clients.objects.clear()
    if loss == "power":
        if nodes.target:
            nodes.target.restart()
        else:
            boot_host(nodes.disks[0]["path"])
    nodes.start(1)
    second = attached(clients, disk, 1)
    survives = loss == "nodes" or transport == "emulated"
    assert second.presence(disk) == (S_OK, ELSEWHERE if survives else ABSENT)
    _, (sector, _) = second.arb_sectors(disk)
    assert second.raw_write(disk, sector, b"second") == ((ERROR_BUSY, 0) if survives else (S_OK, 512))
    second.take(disk)
    assert second.presence(disk) == (S_OK, HERE)
    if whose == "node":
        assert second.verify_file(disk, 1, "left.bin", b"left") == S_OK
    # The old owner knows that it is none.
    nodes.start(0)
    back = attached(clients, disk, 0)
    assert back.presence(disk) == (S_OK, ELSEWHERE)
    assert back.raw_write(disk, sector, b"late") == (ERROR_BUSY, 0)
    assert second.write_file(disk, 1, "mine.bin", b"mine") == S_OK


class Writer(threading.Thread):
    """Writes one small file after the other until one is refused."""

    def __init__(self, storage, disk):
        super().__init__(daemon=True)
        self.storage, self.disk = storage, disk
        self.acknowledged: list[str] = []
        self.refusal = S_OK
        self.stop = False

    @staticmethod
    def content(name: str) -> bytes:
        return name.encode() * 700

    def run(self):
        while not self.stop and self.refusal == S_OK:
            name = f"written {len(self.acknowledged)}.bin"
            self.refusal = self.storage.write_file(self.disk, 1, name, self.content(name))
            if self.refusal == S_OK:
                self.acknowledged.append(name)

    def verify(self, reader):
        for name in self.acknowledged:
            assert reader.verify_file(self.disk, 1, name, self.content(name)) == S_OK, name


def test_an_owner_is_robbed_while_it_writes(cluster):
    """Its next write is refused, and it says so; what it had acknowledged is there for the robber."""
    nodes, clients = cluster
    disk = csvp.DiskID.of(nodes.disks[0])
    owner, robber = clients.storage(node=0, ready=True), attached(clients, disk, 1)
    owner.take(disk)
    writer = Writer(owner, disk)
    writer.start()
    wait_until(lambda: len(writer.acknowledged) > 3, 30, "the owner to write")
    # The owner may look in between; then the robber tries again.
    wait_until(
        lambda: robber.codes(disk, "PRRegister", "PRPreempt") == [S_OK, S_OK], 20, "a moment between two looks"
    )
    writer.join(30)
    assert not writer.is_alive(), "the owner goes on writing to a disk that is another's"
    assert writer.refusal & 0x80000000
    wait_until(lambda: owner.codes(disk, "CprepDiskIsOnline") == [ERROR_NOT_READY], 10, "the owner to notice")
    assert owner.write_file(disk, 1, "late.bin", b"late") == ERROR_INVALID_STATE
    assert robber.codes(disk, "PRArbitrate", "CprepDiskOnline") == [S_OK, S_OK]
    writer.verify(robber)
    assert robber.delete_file(disk, 1, "late.bin") == csvp.ERROR_FILE_NOT_FOUND
    assert owner.presence(disk) == (S_OK, ELSEWHERE)


@pytest.mark.only_on("iscsi")
def test_an_owner_whose_target_restarts(cluster):
    """The reservation is gone with the target's memory: whoever arbitrates first has the disk, the owner of old like anybody else.
    Two nodes never own it, and what was acknowledged stays. (An emulated unit has no target: it restarts with its host, see
    test_what_outlasts_a_restart.)"""
    nodes, clients = cluster
    disk = csvp.DiskID.of(nodes.disks[0])
    owner, other = clients.storage(node=0, ready=True), attached(clients, disk, 1)
    owner.take(disk)
    for number in range(3):
        writer = Writer(owner, disk)
        writer.start()
        wait_until(lambda: len(writer.acknowledged) > 3, 30, "the owner to write")  # noqa: B023
        nodes.target.restart()
        wins = wait_until(
            lambda: [other.codes(disk, "PRArbitrate")[0] == S_OK], 30, "an arbitration to be decided"
        )[0]
        if wins:
            # From here on, whatever the old owner writes must not be acknowledged.
            seen = len(writer.acknowledged)
            writer.join(30)
            assert not writer.is_alive()
            assert len(writer.acknowledged) <= seen + 1, "two owners"  # one may have been on its way
            wait_until(lambda: owner.codes(disk, "CprepDiskIsOnline") == [ERROR_NOT_READY], 10, "the loser to notice")
            assert other.online(disk)[0] == S_OK
            writer.verify(other)
            owner, other = other, owner
        else:
            writer.stop = True
            writer.join(30)
            if owner.codes(disk, "CprepDiskIsOnline") != [S_OK]:
                # Lost, to nobody: it may take the disk anew.
                assert owner.write_file(disk, 1, "late.bin", b"late") == ERROR_INVALID_STATE
                wait_until(lambda: owner.codes(disk, "PRArbitrate") == [S_OK], 20, "the disk to be free")
                assert owner.online(disk)[0] == S_OK
            assert owner.presence(disk) == (S_OK, HERE)
            writer.verify(owner)
        assert other.presence(disk) == (S_OK, ELSEWHERE)
        assert owner.write_file(disk, 1, f"round {number}.bin", os.urandom(5_000)) == S_OK
