"""Every state rule and error code of [MS-CSVP] 3.2.4, for the methods that are served."""

import uuid

import csvp
import pytest
from csvp import (
    E_NOTIMPL,
    ERROR_FILE_NOT_FOUND,
    ERROR_INVALID_SERVER_STATE,
    ERROR_INVALID_STATE,
    ERROR_NOT_FOUND,
    ERROR_NOT_READY,
    ERROR_READ_FAULT,
    ERROR_WRITE_FAULT,
    S_OK,
    DiskID,
)
from lab import wait_until

pytestmark = pytest.mark.parametrize("transport", ["emulated", "iscsi"], indirect=True, scope="module")

#: A call of each method that takes a disk: what follows the disk's identifier.
DISK_METHODS = {
    "CprepDiskRawRead": dict(ulSector=1, cbData=512),
    "CprepDiskRawWrite": dict(ulSector=1, cbData=4, pbData=[0] * 4),
    "CprepDiskGetProps": {},
    "CprepDiskStopDefense": {},
    "CprepDiskOnline": {},
    "CprepDiskWriteFileData": dict(ulPartition=1, FileName="a\0", cbDataIn=1, DataIn=[0]),
    "CprepDiskVerifyFileData": dict(ulPartition=1, FileName="a\0", cbDataIn=1, DataIn=[0]),
    "CprepDiskDeleteFile": dict(ulPartition=1, FileName="a\0"),
    "CprepDiskOffline": {},
    "CprepDiskAttach": {},
    "CprepDiskPRArbitrate": {},
    "CprepDiskDiskPartitionIsNtfs": dict(ulPartition=1),
    "CprepDiskGetArbSectors": {},
    "CprepDiskIsOnline": {},
    "CprepDiskGetFSName": dict(Partition=1),
    "CprepDiskVerifyUnique": {},
    "CprepDiskPRRegister": {},
    "CprepDiskPRUnRegister": {},
    "CprepDiskPRReserve": {},
    "CprepDiskPRRelease": {},
    "CprepDiskIsPRPresent": {},
    "CprepDiskPRPreempt": {},
    "CprepDiskPRClear": {},
    "CprepDiskSetOnline": {},
    "CprepDiskIsReadable": {},
}
NEED_ATTACHED = [name for name in DISK_METHODS if name not in ("CprepDiskGetProps", "CprepDiskAttach")]
NEED_OWNED = ["CprepDiskStopDefense", "CprepDiskOnline", "CprepDiskSetOnline"]
NEED_ONLINE = [
    "CprepDiskWriteFileData",
    "CprepDiskVerifyFileData",
    "CprepDiskDeleteFile",
    "CprepDiskOffline",
    "CprepDiskDiskPartitionIsNtfs",
    "CprepDiskGetFSName",
]
UNKNOWN_DISKS = [
    DiskID(csvp.CprepIdGuid, uuid.UUID("deadbeef-dead-beef-dead-beefdeadbeef")),
    DiskID(csvp.CprepIdSignature, 0xDEADBEEF),
    DiskID(csvp.CprepIdNumber, 1000),
]


@pytest.fixture(params=["gpt"])
def disk(gpt):
    return gpt


def code_of(storage, name, disk):
    return storage.call(name, disk, **DISK_METHODS[name])[0]


# Prepare State


def test_prepare_state_initial(clients, disk):
    storage = clients.storage()
    assert storage.phase2()[0] == ERROR_INVALID_SERVER_STATE
    for name in DISK_METHODS:
        assert code_of(storage, name, disk) == ERROR_INVALID_SERVER_STATE, name
    assert storage.prepare()[0] == S_OK, "none of these may have moved the state"


def test_prepare_state_preparing(clients, disk):
    storage = clients.storage()
    assert storage.prepare()[0] == S_OK
    assert storage.prepare()[0] == ERROR_INVALID_SERVER_STATE
    for name in DISK_METHODS:
        assert code_of(storage, name, disk) == ERROR_INVALID_SERVER_STATE, name
    assert storage.phase2()[0] == S_OK


def test_prepare_state_online(clients):
    storage = clients.storage(ready=True)
    assert storage.prepare()[0] == ERROR_INVALID_SERVER_STATE
    assert storage.phase2()[0] == ERROR_INVALID_SERVER_STATE


@pytest.mark.parametrize("flags", [0, 1, 2, 3, 0xFFFFFFFF])
def test_flags_of_phase_two(clients, flags):
    storage = clients.storage()
    storage.prepare()
    code, answer = storage.phase2(flags)
    assert (code, answer["pulNumDisks"]) == (S_OK, len(clients.lab.disks))


# No such disk


@pytest.mark.parametrize("unknown", UNKNOWN_DISKS, ids=["guid", "signature", "number"])
def test_no_such_disk(clients, unknown):
    storage = clients.storage(ready=True)
    for name in DISK_METHODS:
        expected = ERROR_NOT_FOUND if name == "CprepDiskAttach" else ERROR_FILE_NOT_FOUND
        assert code_of(storage, name, unknown) == expected, name


def test_an_identifier_of_unknown_kind_names_no_disk(clients):
    storage = clients.storage(ready=True)
    assert storage.props(DiskID(csvp.CprepIdUnknown, 0))[0] == ERROR_FILE_NOT_FOUND


# Attached, owned, online


def test_not_attached(clients, disk):
    storage = clients.storage(ready=True)
    for name in NEED_ATTACHED:
        # Product-behaviour notes 11 and 16.
        note = name in ("CprepDiskIsOnline", "CprepDiskSetOnline")
        expected = ERROR_NOT_FOUND if note else ERROR_INVALID_STATE
        assert code_of(storage, name, disk) == expected, name
    assert code_of(storage, "CprepDiskGetProps", disk) == S_OK


def test_attached_but_not_owned(clients, disk):
    storage = clients.storage(ready=True)
    assert code_of(storage, "CprepDiskAttach", disk) == S_OK
    for name in NEED_OWNED + NEED_ONLINE:
        assert code_of(storage, name, disk) == ERROR_INVALID_STATE, name
    assert code_of(storage, "CprepDiskIsOnline", disk) == ERROR_NOT_READY
    assert code_of(storage, "CprepDiskGetArbSectors", disk) == S_OK
    assert code_of(storage, "CprepDiskRawRead", disk) == S_OK


def test_owned_but_not_online(clients, disk):
    storage = clients.storage(ready=True)
    assert code_of(storage, "CprepDiskAttach", disk) == S_OK
    assert code_of(storage, "CprepDiskPRArbitrate", disk) == S_OK
    for name in NEED_ONLINE:
        assert code_of(storage, name, disk) == ERROR_INVALID_STATE, name
    assert code_of(storage, "CprepDiskIsOnline", disk) == ERROR_NOT_READY
    assert code_of(storage, "CprepDiskStopDefense", disk) == S_OK
    assert code_of(storage, "CprepDiskStopDefense", disk) == ERROR_INVALID_STATE, "it is not owned any more"
    assert code_of(storage, "CprepDiskOnline", disk) == ERROR_INVALID_STATE


def test_repetition_changes_nothing(clients, disk):
    storage = clients.storage(ready=True)
    for _ in range(2):
        assert code_of(storage, "CprepDiskAttach", disk) == S_OK
    for _ in range(2):
        assert code_of(storage, "CprepDiskPRArbitrate", disk) == S_OK
    counts = {storage.online(disk) for _ in range(2)}
    assert len(counts) == 1 and counts.pop()[0] == S_OK
    assert code_of(storage, "CprepDiskOffline", disk) == S_OK
    assert code_of(storage, "CprepDiskOffline", disk) == ERROR_INVALID_STATE


def test_defence_does_not_stop_while_online(clients, disk):
    """3.2.4.6: CprepDiskOffline comes before CprepDiskStopDefense."""
    storage = clients.storage(ready=True)
    storage.take(disk)
    assert code_of(storage, "CprepDiskStopDefense", disk) == ERROR_INVALID_STATE
    assert code_of(storage, "CprepDiskIsOnline", disk) == S_OK
    assert code_of(storage, "CprepDiskOffline", disk) == S_OK
    assert code_of(storage, "CprepDiskStopDefense", disk) == S_OK


def test_one_disks_state_is_not_anothers(clients, gpt, mbr):
    storage = clients.storage(ready=True)
    storage.take(gpt)
    assert code_of(storage, "CprepDiskIsOnline", mbr) == ERROR_NOT_FOUND
    assert code_of(storage, "CprepDiskPRArbitrate", mbr) == ERROR_INVALID_STATE


# Raw sectors


def test_raw_sizes(clients, disk):
    storage = clients.storage(ready=True)
    assert code_of(storage, "CprepDiskAttach", disk) == S_OK
    code, (first, second) = storage.arb_sectors(disk)
    assert code == S_OK and first != second and min(first, second) > 0
    for size in (512, 511, 1):
        code, data = storage.raw_read(disk, first, size)
        assert (code, len(data)) == (S_OK, size)
    assert storage.raw_read(disk, first, 513)[0] == ERROR_READ_FAULT
    assert storage.raw_write(disk, first, b"z" * 513) == (ERROR_WRITE_FAULT, 0)


def test_raw_write_reads_back(clients, gpt, mbr):
    storage = clients.storage(ready=True)
    for disk in (gpt, mbr):
        assert code_of(storage, "CprepDiskAttach", disk) == S_OK
        code, sectors = storage.arb_sectors(disk)
        assert code == S_OK
        for mark, sector in enumerate(sectors):
            content = bytes([mark + 1]) * 512
            assert storage.raw_write(disk, sector, content) == (S_OK, 512)
            assert storage.raw_read(disk, sector) == (S_OK, content)
        code, written = storage.raw_write(disk, sectors[0], b"short")
        assert (code, written) == (S_OK, 512), "a sector is written whole"
        assert storage.raw_read(disk, sectors[0], 5) == (S_OK, b"short")


def test_a_sector_beyond_the_end(clients, disk):
    storage = clients.storage(ready=True)
    assert code_of(storage, "CprepDiskAttach", disk) == S_OK
    assert storage.raw_read(disk, 0xFFFFFFFF)[0] & 0x80000000
    assert storage.raw_write(disk, 0xFFFFFFFF, b"x" * 512)[0] & 0x80000000


def test_arbitration_sectors_are_outside_every_partition(clients, lab, gpt, mbr):
    """Scratch sectors disturb nothing: the partitions' contents and tables are as before."""
    storage = clients.storage(ready=True)
    for disk in (gpt, mbr):
        storage.take(disk)
        assert storage.write_file(disk, 1, "safe.bin", b"safe") == S_OK
        _, sectors = storage.arb_sectors(disk)
        assert code_of(storage, "CprepDiskOffline", disk) == S_OK
        for sector in sectors:
            assert storage.raw_write(disk, sector, b"\xff" * 512)[0] == S_OK
        code, partitions = storage.online(disk)
        assert (code, partitions) == (S_OK, 1)
        assert storage.verify_file(disk, 1, "safe.bin", b"safe") == S_OK


# Partitions


@pytest.mark.parametrize("partition", [0, 2, 0xFFFFFFFF])
def test_no_such_partition(clients, disk, partition):
    storage = clients.storage(ready=True)
    storage.take(disk)
    assert storage.write_file(disk, partition, "a", b"a") == ERROR_FILE_NOT_FOUND
    assert storage.verify_file(disk, partition, "a", b"a") == ERROR_FILE_NOT_FOUND
    assert storage.delete_file(disk, partition, "a") == ERROR_FILE_NOT_FOUND
    assert storage.fs_name(disk, partition)[0] == ERROR_FILE_NOT_FOUND
    assert storage.is_ntfs(disk, partition) == ERROR_FILE_NOT_FOUND


# CprepDiskSetOnline, CprepDiskIsReadable, CprepDiskVerifyUnique


def test_set_online_begins_and_is_online_tells(clients, disk):
    storage = clients.storage(ready=True)
    assert storage.codes(disk, "CprepDiskAttach", "CprepDiskPRArbitrate") == [S_OK, S_OK]
    for _ in range(2):  # "If the OnlineState is already in the Online state, then the online process is repeated."
        assert code_of(storage, "CprepDiskSetOnline", disk) == S_OK
        wait_until(lambda: code_of(storage, "CprepDiskIsOnline", disk) == S_OK, 10, "the disk to come online")
        assert storage.write_file(disk, 1, "set.bin", b"set") == S_OK
    assert storage.delete_file(disk, 1, "set.bin") == S_OK
    assert code_of(storage, "CprepDiskOffline", disk) == S_OK
    assert code_of(storage, "CprepDiskIsOnline", disk) == ERROR_NOT_READY


def test_readable_and_unique(clients, gpt, mbr):
    storage = clients.storage(ready=True)
    for disk in (gpt, mbr):
        assert storage.codes(disk, "CprepDiskAttach", "CprepDiskIsReadable", "CprepDiskVerifyUnique") == [S_OK] * 3


# Methods that are not used on the wire


@pytest.mark.parametrize("opnum", csvp.NOT_USED_ON_WIRE)
def test_methods_that_are_not_used_on_the_wire(clients, opnum):
    storage = clients.storage()
    assert storage.call(f"Opnum{opnum}NotUsedOnWire")[0] == E_NOTIMPL
    storage.ready()
    assert storage.call(f"Opnum{opnum}NotUsedOnWire")[0] == E_NOTIMPL
