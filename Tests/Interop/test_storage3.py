"""IClusterStorage3's methods about reservations and the node: [MS-CSVP] 3.5.4.6, 3.4.4.4, 3.4.4.8 to 3.4.4.15."""

import os
import stat

import csvp
import pytest
from conftest import Clients
from csvp import (
    ERROR_BUSY,
    ERROR_FILE_NOT_FOUND,
    ERROR_INVALID_SERVER_STATE,
    ERROR_INVALID_STATE,
    ERROR_NOT_FOUND,
    S_OK,
    DiskID,
    Storage3,
)
from dcom import Credentials

pytestmark = pytest.mark.parametrize("transport", ["emulated", "iscsi"], indirect=True, scope="module")

#: A call of each method that takes a disk: what follows the disk's identifier.
DISK_METHODS = {
    "CprepDiskIsReadOnly3": {},
    "CprepDiskPRRegister3": dict(OldPrKey=0, NewPrKey=1),
    "CprepDiskFindKey3": dict(Key=1),
    "CprepDiskPRPreempt3": dict(OwnerKey=1, NewKey=2),
    "CprepDiskPRReserve3": dict(Key=1),
    "CprepDiskIsPRPresent3": dict(Key=1),
    "CprepDiskPRRelease3": dict(Key=1),
    "CprepDiskPRClear3": dict(Key=1),
}
A, B = 0x1122334455667788, 0xFFEEDDCCBBAA9988


@pytest.fixture
def pair(clients, disk):
    """Both faces of an object on each node, with the disk attached."""
    made = []
    for node in (0, 1):
        storage = clients.storage(node=node, ready=True)
        assert storage.call("CprepDiskAttach", disk)[0] == S_OK
        made.append((storage, Storage3(storage)))
    return made


# States


@pytest.mark.parametrize("name", DISK_METHODS)
def test_states(clients, gpt, name):
    storage = clients.storage()
    methods = Storage3(storage)
    fields = DISK_METHODS[name]
    assert methods.call(name, gpt, **fields)[0] == ERROR_INVALID_SERVER_STATE
    assert storage.prepare()[0] == S_OK
    assert methods.call(name, gpt, **fields)[0] == ERROR_INVALID_SERVER_STATE
    assert storage.phase2()[0] == S_OK
    assert methods.call(name, gpt, **fields)[0] == ERROR_INVALID_STATE
    for unknown in (DiskID(csvp.CprepIdNumber, 1000), DiskID(csvp.CprepIdSignature, 0xDEADBEEF)):
        assert methods.call(name, unknown, **fields)[0] == ERROR_FILE_NOT_FOUND
    assert methods.call(name, DiskID(csvp.CprepIdUnknown, 0), **fields)[0] == ERROR_FILE_NOT_FOUND


def test_attaching_on_one_face_counts_on_the_other(clients, gpt):
    storage = clients.storage(ready=True)
    methods = Storage3(storage)
    assert methods.is_read_only(gpt)[0] == ERROR_INVALID_STATE
    assert storage.call("CprepDiskAttach", gpt)[0] == S_OK
    assert methods.is_read_only(gpt) == (S_OK, False)


def test_a_node_of_no_cluster(clients):
    storage = clients.storage()
    methods = Storage3(storage)
    assert methods.is_clustered()[0] == ERROR_INVALID_SERVER_STATE
    storage.ready()
    assert methods.is_clustered() == (S_OK, False)


# Keys


def test_the_sequence(pair, disk):
    """CLEAR, REGISTER, RESERVE, PREEMPT (3.5.4.6)."""
    (first, one), (second, two) = pair
    assert one.register(disk, 0, A) == S_OK
    assert one.clear(disk, A) == S_OK
    assert two.finds(disk, 0) == (S_OK, False)
    assert one.register(disk, 0, A) == S_OK
    assert two.finds(disk, A) == (S_OK, True)
    assert one.reserve(disk, A) == S_OK
    assert two.is_reserved(disk, A) == S_OK
    assert two.is_reserved(disk, B) == ERROR_NOT_FOUND
    assert two.register(disk, 0, B) == S_OK
    assert two.reserve(disk, B) == ERROR_BUSY
    assert two.preempt(disk, A, B) == S_OK
    assert one.is_reserved(disk, B) == S_OK
    assert one.finds(disk, A) == (S_OK, False)
    assert one.reserve(disk, A) == ERROR_BUSY
    assert first.presence(disk) == (S_OK, 1)
    assert second.presence(disk) == (S_OK, 2)
    _, (sector, _) = first.arb_sectors(disk)
    assert first.raw_write(disk, sector, b"loser") == (ERROR_BUSY, 0)
    assert second.raw_write(disk, sector, b"winner") == (S_OK, 512)
    assert two.release(disk, B) == S_OK
    assert two.is_reserved(disk, B) == ERROR_NOT_FOUND
    assert two.finds(disk, B) == (S_OK, True)
    assert two.register(disk, B, 0) == S_OK
    assert two.finds(disk, 0) == (S_OK, False)


def test_the_old_key_has_to_be_right(pair, disk):
    (_, one), (_, two) = pair
    assert one.register(disk, A, A) == ERROR_BUSY, "not registered, so there is no old key"
    assert one.register(disk, 0, A) == S_OK
    assert one.register(disk, B, A) == ERROR_BUSY
    assert one.register(disk, A, B) == S_OK
    assert two.finds(disk, A) == (S_OK, False)
    assert two.finds(disk, B) == (S_OK, True)
    assert one.register(disk, A, 0) == ERROR_BUSY
    assert one.register(disk, 0, 0) == S_OK
    assert two.finds(disk, 0) == (S_OK, False)


def test_every_command_wants_the_registered_key(pair, disk, transport):
    (_, one), (_, two) = pair
    assert one.register(disk, 0, A) == S_OK
    assert two.register(disk, 0, B) == S_OK
    for key in (B, 0, 1):
        codes = [one.preempt(disk, B, key), one.clear(disk, key)]
        # SPC-3 6.12.1 wants the registered key here, too; tgtd (1.0.85) does not look at RESERVE's, and at RELEASE's
        # only where there is a reservation.
        if transport == "emulated":
            codes += [one.reserve(disk, key), one.release(disk, key)]
        assert set(codes) == {ERROR_BUSY}
    assert one.preempt(disk, 0x99, A) == ERROR_BUSY, "a key that nobody has registered"
    assert [two.finds(disk, A), two.finds(disk, B)] == [(S_OK, True)] * 2
    # Without a reservation PREEMPT removes registrations and no more.
    assert one.preempt(disk, B, A) == S_OK
    assert two.finds(disk, B) == (S_OK, False)
    assert two.is_reserved(disk, A) == ERROR_NOT_FOUND


def test_both_faces_speak_of_one_registration(pair, disk):
    (first, one), (second, two) = pair
    assert one.register(disk, 0, A) == S_OK
    assert first.codes(disk, "PRReserve") == [S_OK]
    assert first.presence(disk) == (S_OK, 2)
    assert two.is_reserved(disk, A) == S_OK
    assert first.codes(disk, "PRRegister") == [S_OK]
    assert two.finds(disk, A) == (S_OK, True), "the node keeps the key it has"
    assert first.codes(disk, "PRUnRegister") == [S_OK]
    assert two.finds(disk, 0) == (S_OK, False)
    assert first.codes(disk, "PRRegister") == [S_OK]
    assert two.finds(disk, 0) == (S_OK, True)
    assert two.finds(disk, A) == (S_OK, False), "a key of the node's own"
    assert second.codes(disk, "PRRegister") == [S_OK]


def test_a_registration_ends_with_its_object(clients, pair, disk):
    (first, one), (_, two) = pair
    assert one.register(disk, 0, A) == S_OK
    assert one.reserve(disk, A) == S_OK
    clients.release(first)
    assert two.finds(disk, 0) == (S_OK, False)
    assert two.is_reserved(disk, A) == ERROR_NOT_FOUND


def test_another_key_ends_the_ownership(pair, disk):
    (owner, one), (_, two) = pair
    owner.take(disk)
    assert one.register(disk, 0, A) == S_OK
    assert owner.write_file(disk, 1, "late.bin", b"late") == ERROR_INVALID_STATE
    assert owner.codes(disk, "CprepDiskOnline") == [ERROR_INVALID_STATE]
    assert two.is_reserved(disk, A) == S_OK, "the reservation is the node's, under another key"
    assert owner.presence(disk) == (S_OK, 2)
    # It can be taken back.
    owner.take(disk)
    assert two.finds(disk, A) == (S_OK, False)


# Write protection


# tgtd does not take its medium's permissions for write protection.
@pytest.mark.only_on("emulated")
@pytest.mark.usefixtures("transport")
def test_a_write_protected_unit(daemons):
    nodes = daemons(nodes=1)
    image = nodes.disks[0]["path"]
    mode = os.stat(image).st_mode
    os.chmod(image, mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    nodes.start()
    clients = Clients(nodes.lab, Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password))
    storage = clients.storage(ready=True)
    methods = Storage3(storage)
    disk, other = (DiskID.of(item) for item in nodes.disks[:2])
    for identifier in (disk, other):
        assert storage.call("CprepDiskAttach", identifier)[0] == S_OK
    assert methods.is_read_only(disk) == (S_OK, True)
    assert methods.is_read_only(other) == (S_OK, False)
    assert storage.raw_write(disk, storage.arb_sectors(disk)[1][0], b"x")[0] == 0x80070013, "ERROR_WRITE_PROTECT"
    assert storage.codes(disk, "CprepDiskIsReadable") == [S_OK]
    clients.close()
    nodes.stop()
