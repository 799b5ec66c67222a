"""What a node says of its disks: CprepDiskGetProps, CprepDiskGetProps3, the unique identifiers, and the multipath modules."""

import uuid

import csvp
import csvp_properties as properties
import pytest
from csvp import ERROR_FILE_NOT_FOUND, ERROR_INVALID_SERVER_STATE, S_OK, DiskID
from csvp_properties import (
    DISK_PART_BASIC,
    DISK_STYLE_GPT,
    DISK_STYLE_MBR,
    ERROR_INSUFFICIENT_BUFFER,
    ERROR_MORE_DATA,
    Properties,
)

pytestmark = pytest.mark.parametrize("transport", ["emulated", "iscsi"], indirect=True, scope="module")

NAA, EUI64, SCSI_NAME = 3, 2, 8


def text(pointer) -> str | None:
    """impacket shows a NULL string as an empty pointer, else with its terminator."""
    return None if not pointer else pointer.rstrip("\0")


def wide(array) -> str:
    return bytes(array).decode("utf-16-le").partition("\0")[0] if not isinstance(array, str) else array.partition("\0")[0]


@pytest.fixture
def disks(clients):
    return Properties(clients.storage(ready=True))


@pytest.fixture
def bus(transport):
    return properties.BusTypeiScsi if transport == "iscsi" else properties.BusTypeFileBackedVirtual


def test_both_structures_tell_the_same(clients, disk, bus):
    storage = clients.storage(ready=True)
    code, old = storage.props(disk)
    assert code == S_OK
    code, new = Properties(storage).props3(disk)
    assert code == S_OK
    for field in ("DiskNumber", "DiskBusType", "StackType", "DiskIsClusterable", "NumPaths", "Flags"):
        assert old[field] == new[field], field
    assert old["DiskBusType"] == bus
    assert old["StackType"] == 1
    assert old["ScsiAddress"]["Length"] == 8
    assert old["DiskIsClusterable"] == 1
    assert old["NumPaths"] == 1
    style = DISK_STYLE_GPT if old["DiskId"]["DiskIdType"] == csvp.CprepIdGuid else DISK_STYLE_MBR
    assert old["Flags"] == style | DISK_PART_BASIC


def test_extended_properties(disks, disk):
    code, props = disks.props3(disk)
    assert code == S_OK
    assert props["ExtendedFlags"] == 0
    assert text(props["pwszPoolName"]) is None
    assert props["guidPoolId"] == b"\0" * 16
    assert text(props["pwszFriendlyName"])
    assert wide(props["AdapterDesc"])
    # The strings are those of the vital product data.
    code, header, descriptor = disks.unique_ids3(disk)
    assert code == S_OK
    device = properties.device(descriptor)
    assert text(props["pwszFriendlyName"]) == f"{device['vendor']} {device['product']}"
    assert text(props["pwszSerialNumber"]) == device["serial"]
    unit = [found for found in properties.identifiers(header) if found.association == 0]
    preferred = next(found for kind in (SCSI_NAME, NAA, EUI64) for found in unit if found.type == kind)
    expected = preferred.value.hex().upper() if preferred.code_set == 1 else preferred.value.rstrip(b"\0").decode()
    assert text(props["pwszPage83Id"]) == expected


def test_device_descriptor(disks, disk, bus):
    _, _, descriptor = disks.unique_ids3(disk)
    device = properties.device(descriptor)
    assert device["bus"] == bus
    assert (device["type"], device["removable"], device["queueing"]) == (0, 0, 1)
    assert len(device["raw"]) == 36
    assert device["raw"][8:16].decode().rstrip() == device["vendor"]
    assert device["raw"][16:32].decode().rstrip() == device["product"]


def test_two_disks_are_two_units(disks, gpt, mbr):
    first, second = (disks.unique_ids3(disk)[1] for disk in (gpt, mbr))
    assert first != second


def test_unique_ids_and_the_buffer(disks, disk):
    code, data, needed = disks.unique_ids(disk, 0)
    assert (code, data) == (ERROR_INSUFFICIENT_BUFFER, b"")
    assert disks.unique_ids(disk, needed - 1) == (ERROR_INSUFFICIENT_BUFFER, b"", needed)
    code, exact, _ = disks.unique_ids(disk, needed)
    assert (code, len(exact)) == (S_OK, needed)
    code, generous, _ = disks.unique_ids(disk, 0x10000)
    assert (code, generous) == (S_OK, exact)
    assert disks.unique_ids3(disk)[1] == exact
    assert {found.type for found in properties.identifiers(exact)} & {NAA, EUI64, SCSI_NAME}


def test_both_nodes_see_the_same_unit(clients, disk):
    seen = [Properties(clients.storage(node=node, ready=True)).props3(disk)[1] for node in (0, 1)]
    assert text(seen[0]["pwszPage83Id"]) == text(seen[1]["pwszPage83Id"])
    assert text(seen[0]["pwszSerialNumber"]) == text(seen[1]["pwszSerialNumber"])


@pytest.mark.parametrize(
    "unknown",
    [
        DiskID(csvp.CprepIdNumber, 1000),
        DiskID(csvp.CprepIdSignature, 0xDEADBEEF),
        DiskID(csvp.CprepIdGuid, uuid.UUID(int=1)),
        DiskID(csvp.CprepIdUnknown, 0),
    ],
    ids=["number", "signature", "guid", "unknown"],
)
def test_no_such_disk(disks, unknown):
    assert disks.props3(unknown)[0] == ERROR_FILE_NOT_FOUND
    assert disks.unique_ids(unknown, 512)[0] == ERROR_FILE_NOT_FOUND
    assert disks.unique_ids3(unknown)[0] == ERROR_FILE_NOT_FOUND


def test_nothing_is_told_unprepared(clients, disk):
    storage = clients.storage()
    disks = Properties(storage)
    for _ in range(2):
        assert disks.props3(disk)[0] == ERROR_INVALID_SERVER_STATE
        assert disks.unique_ids(disk, 512)[0] == ERROR_INVALID_SERVER_STATE
        assert disks.unique_ids3(disk)[0] == ERROR_INVALID_SERVER_STATE
        assert disks.dsms(512)[0] == ERROR_INVALID_SERVER_STATE
        storage.prepare()  # to Preparing, which is not enough either


def test_modules(disks):
    code, data = disks.dsms(0x10000)
    assert code == S_OK
    for name, version in properties.modules(data):
        assert 0 < len(name) <= 63
        assert any(version)
    assert disks.dsms(len(data)) == (S_OK, data)
    assert disks.dsms(len(data) - 1) == (ERROR_MORE_DATA, b"")
    assert disks.dsms(0) == (ERROR_MORE_DATA, b"")
