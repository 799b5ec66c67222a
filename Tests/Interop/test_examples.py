"""The examples of [MS-CSVP] section 4, end to end, by both ways of activation."""

import os

import csvp
import pytest
from csvp import S_OK, DiskID

pytestmark = pytest.mark.parametrize("transport", ["emulated", "iscsi"], indirect=True, scope="module")

WAYS = ["RemoteCreateInstance", "RemoteActivation"]


@pytest.mark.parametrize("way", WAYS)
def test_a_shared_disk_online(clients, disk, way):
    """4.1, then what one does with a disk that is online, down to giving it back."""
    storage = clients.storage(way=way)

    code, answer = storage.prepare()
    assert code == S_OK
    assert answer["pulMajorVersion"] > 0
    code, answer = storage.phase2()
    assert code == S_OK
    assert answer["pulNumDisks"] == len(clients.lab.disks)

    # The client picks a disk by its number, and goes on with the identifier that it is told.
    found = []
    for number in range(answer["pulNumDisks"]):
        code, props = storage.props(DiskID(csvp.CprepIdNumber, number))
        assert code == S_OK
        assert props["DiskNumber"] == number
        found.append(DiskID.read(props["DiskId"]))
    assert disk in found

    assert storage.call("CprepDiskAttach", disk)[0] == S_OK
    assert storage.call("CprepDiskPRArbitrate", disk)[0] == S_OK
    code, partitions = storage.online(disk)
    assert code == S_OK
    assert partitions >= 1
    assert storage.call("CprepDiskIsOnline", disk)[0] == S_OK

    code, name = storage.fs_name(disk, partitions)
    assert (code, name) == (S_OK, "NTFS")
    assert storage.is_ntfs(disk, partitions) == S_OK

    content = os.urandom(70_000)  # several fragments, several clusters
    assert storage.write_file(disk, partitions, "example.bin", content) == S_OK
    assert storage.verify_file(disk, partitions, "example.bin", content) == S_OK
    assert storage.delete_file(disk, partitions, "example.bin") == S_OK
    assert storage.verify_file(disk, partitions, "example.bin", content) == csvp.ERROR_FILE_NOT_FOUND

    assert storage.call("CprepDiskOffline", disk)[0] == S_OK
    assert storage.call("CprepDiskIsOnline", disk)[0] == csvp.ERROR_NOT_READY
    assert storage.call("CprepDiskStopDefense", disk)[0] == S_OK


def test_a_file_outlives_offline(clients, disk):
    """What was written is on the disk: another object, on the other node, finds it."""
    content = os.urandom(5_000)
    first = clients.storage(node=0, ready=True)
    first.take(disk)
    assert first.write_file(disk, 1, "kept.bin", content) == S_OK
    assert first.call("CprepDiskOffline", disk)[0] == S_OK
    assert first.call("CprepDiskStopDefense", disk)[0] == S_OK

    second = clients.storage(node=1, ready=True)
    second.take(disk)
    assert second.verify_file(disk, 1, "kept.bin", content) == S_OK
    assert second.delete_file(disk, 1, "kept.bin") == S_OK


@pytest.mark.parametrize("way", WAYS)
def test_cluster_setup(clients, way):
    """4.3."""
    setup = clients.setup(way=way)
    secret = os.urandom(64)
    assert setup.config_secret(secret) == S_OK
    assert setup.retrieve_secret() == (S_OK, secret)
    code, label = setup.host_label()
    assert code == S_OK
    text = label.decode("utf-16-le")
    assert text and "." not in text, "a host label is the first part of the name only"


def test_secrets_are_octets(clients):
    """A BSTR may be empty, odd, hold NULs or be large; each overwrites the one before, and is seen by every object."""
    setup, other = clients.setup(), clients.setup()
    for secret in (b"\0", b"abc", b"a\0b\0\0", os.urandom(20_001), b"x" * 2):
        assert setup.config_secret(secret) == S_OK
        assert other.retrieve_secret() == (S_OK, secret)


def test_nodes_keep_their_own_secret(clients):
    first, second = clients.setup(node=0), clients.setup(node=1)
    assert first.config_secret(b"first!") == S_OK
    assert second.config_secret(b"second") == S_OK
    assert first.retrieve_secret() == (S_OK, b"first!")
    assert second.retrieve_secret() == (S_OK, b"second")
