"""Files on the shared disks, and disks whose content is not what one hopes for."""

import os

import csvp
import pytest
from csvp import ERROR_DISK_FULL, ERROR_FILE_NOT_FOUND, ERROR_UNRECOGNIZED_VOLUME, ERROR_WRONG_DISK, S_OK

pytestmark = pytest.mark.parametrize("transport", ["emulated", "iscsi"], indirect=True, scope="module")


@pytest.fixture
def online(clients, disk):
    storage = clients.storage(ready=True)
    storage.take(disk)
    return storage


@pytest.mark.parametrize("size", [0, 1, 700, 4096, 4097, 300_000])
def test_sizes(online, disk, size):
    content = os.urandom(size)
    assert online.write_file(disk, 1, "size.bin", content) == S_OK
    assert online.verify_file(disk, 1, "size.bin", content) == S_OK
    assert online.delete_file(disk, 1, "size.bin") == S_OK


def test_a_shorter_write_truncates(online, disk):
    assert online.write_file(disk, 1, "cut.bin", b"long content") == S_OK
    assert online.write_file(disk, 1, "cut.bin", b"short") == S_OK
    assert online.verify_file(disk, 1, "cut.bin", b"short") == S_OK
    assert online.verify_file(disk, 1, "cut.bin", b"short content")
    assert online.delete_file(disk, 1, "cut.bin") == S_OK


def test_a_difference_is_seen(online, disk):
    content = bytearray(os.urandom(9_000))
    assert online.write_file(disk, 1, "same.bin", bytes(content)) == S_OK
    content[8_999] ^= 1
    assert online.verify_file(disk, 1, "same.bin", bytes(content)) & 0x80000000
    assert online.delete_file(disk, 1, "same.bin") == S_OK


def test_names(online, disk):
    for name in ("plain.txt", "two words", "größe-β-名前", "\\from-the-root.bin", "x" * 255):
        assert online.write_file(disk, 1, name, name.encode()) == S_OK, name
        assert online.verify_file(disk, 1, name, name.encode()) == S_OK, name
        assert online.delete_file(disk, 1, name) == S_OK, name


@pytest.mark.parametrize("name", ["x" * 256, "", "no/such/folder/file", "..\\..\\outside", "stream:$DATA"])
def test_names_that_cannot_be(online, disk, name):
    """An error, whatever it is; the volume serves on."""
    assert online.write_file(disk, 1, name, b"x") & 0x80000000
    assert online.write_file(disk, 1, "after.bin", b"x") == S_OK
    assert online.delete_file(disk, 1, "after.bin") == S_OK


def test_a_missing_file(online, disk):
    assert online.verify_file(disk, 1, "missing.bin", b"x") == ERROR_FILE_NOT_FOUND
    assert online.delete_file(disk, 1, "missing.bin") == ERROR_FILE_NOT_FOUND


def test_a_full_volume(clients, lab, gpt):
    """ERROR_DISK_FULL, and room again after deleting."""
    storage = clients.storage(ready=True)
    storage.take(gpt)
    path = next(item["path"] for item in lab.disks if csvp.DiskID.of(item) == gpt)
    size = os.path.getsize(path)
    if size > 256 << 20:
        pytest.skip(f"{path} is too large to fill in a test")
    chunk = os.urandom(12 << 20)
    written, code = 0, S_OK
    while code == S_OK and written * len(chunk) <= size:
        code = storage.write_large_file(gpt, 1, f"fill{written}.bin", chunk)
        written += 1
    assert code == ERROR_DISK_FULL
    assert storage.verify_file(gpt, 1, "fill0.bin", b"short") & 0x80000000
    for number in range(written):
        storage.delete_file(gpt, 1, f"fill{number}.bin")
    assert storage.write_file(gpt, 1, "room.bin", b"again") == S_OK
    assert storage.delete_file(gpt, 1, "room.bin") == S_OK


def _wipe_file_system(lab, disk):
    """Overwrites the boot sectors of the first partition of an image, behind the node's back; gives the old content."""
    description = next(item for item in lab.disks if csvp.DiskID.of(item) == disk)
    with open(description["path"], "r+b") as image:
        if description["style"].lower() == "mbr":
            image.seek(446 + 8)
            first = int.from_bytes(image.read(4), "little")
        else:
            image.seek(512 + 72)
            entries = int.from_bytes(image.read(8), "little")
            image.seek(entries * 512 + 32)
            first = int.from_bytes(image.read(8), "little")
        image.seek(first * 512)
        before = image.read(8192)
        assert before[3:7] == b"NTFS", "the partition does not begin where this test thinks"
        image.seek(first * 512)
        image.write(b"\0" * len(before))
    return description["path"], first * 512, before


def test_a_volume_without_a_file_system(clients, lab, disk):
    path, offset, before = _wipe_file_system(lab, disk)
    try:
        storage = clients.storage(ready=True)
        storage.take(disk)
        assert storage.fs_name(disk, 1) == (S_OK, "RAW")
        assert storage.is_ntfs(disk, 1) == ERROR_WRONG_DISK
        assert storage.write_file(disk, 1, "a", b"a") == ERROR_UNRECOGNIZED_VOLUME
        assert storage.verify_file(disk, 1, "a", b"a") == ERROR_UNRECOGNIZED_VOLUME
        assert storage.delete_file(disk, 1, "a") == ERROR_UNRECOGNIZED_VOLUME
        assert storage.call("CprepDiskOffline", disk)[0] == S_OK
        clients.release(storage)
    finally:
        with open(path, "r+b") as image:
            image.seek(offset)
            image.write(before)
    storage = clients.storage(ready=True)
    storage.take(disk)
    assert storage.fs_name(disk, 1) == (S_OK, "NTFS")
