"""Files of all sizes, from none to 64 MiB, that one node writes and another verifies after the first was killed."""

import random
import shutil
import subprocess

import csvp
import pytest
from conftest import Clients
from csvp import S_OK
from dcom import Credentials
from lab import tool

pytestmark = pytest.mark.parametrize("transport", ["emulated", "iscsi"], indirect=True, scope="module")

EDGES = [0, 1, 2, 511, 512, 513, 700, 701, 1023, 1024, 1025, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1]
BIG = [3_000_001, 8 << 20, 64 << 20]
#: The same in every run: the edges, mostly small ones in between, and few big ones.
SIZES = EDGES + [int(2 ** (number * 17 / 178)) for number in range(200 - len(EDGES) - len(BIG))] + BIG


def content(number: int) -> bytes:
    return random.Random(number).randbytes(SIZES[number])


def partition(path: str, copy: str):
    """Copies the first partition of a GPT disk's image out of it."""
    with open(path, "rb") as image, open(copy, "wb") as output:
        image.seek(512 + 72)
        entries = int.from_bytes(image.read(8), "little")
        image.seek(entries * 512 + 32)
        first, last = (int.from_bytes(image.read(8), "little") for _ in range(2))
        image.seek(first * 512)
        left = (last - first + 1) * 512
        while left > 0:
            block = image.read(min(left, 1 << 20))
            output.write(block)
            left -= len(block)


def test_two_hundred_files(daemons, transport, tmp_path):
    assert len(SIZES) == 200
    nodes = daemons(iscsi=transport == "iscsi").start()
    clients = Clients(nodes.lab, Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password))
    described = next(item for item in nodes.disks if item["style"].lower() == "gpt")
    disk = csvp.DiskID.of(described)
    first, second = clients.storage(node=0, ready=True), clients.storage(node=1, ready=True)
    first.take(disk)
    for number, size in enumerate(SIZES):
        assert first.write_large_file(disk, 1, f"file {number}.bin", content(number)) == S_OK, size

    nodes.kill(0)
    clients.objects.remove(first.proxy.object)
    assert second.call("CprepDiskAttach", disk)[0] == S_OK
    # The standard times: one challenge, and the disk is the survivor's.
    assert second.call("CprepDiskPRArbitrate", disk)[0] == S_OK
    assert second.online(disk)[0] == S_OK
    for number, size in enumerate(SIZES):
        assert second.verify_large_file(disk, 1, f"file {number}.bin", content(number)) == S_OK, size
    assert second.call("CprepDiskOffline", disk)[0] == S_OK
    clients.close()
    assert nodes.stop()[1] == 0

    # What others make of the volume.
    if any(shutil.which(name) is None for name in ("ntfsfix", "ntfsls", "ntfscat")):
        tool("ntfsfix", "ntfs-3g")
    volume = str(tmp_path / "volume.img")
    partition(described["path"], volume)
    fixed = subprocess.run(["ntfsfix", "-n", volume], capture_output=True, text=True)
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    assert "processed successfully" in fixed.stdout and "dirty" not in fixed.stdout.lower(), fixed.stdout
    listed = subprocess.run(["ntfsls", volume], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {name for name in listed if name.startswith("file ")} == {f"file {number}.bin" for number in range(200)}
    for number in range(200):
        read = subprocess.run(["ntfscat", volume, f"file {number}.bin"], capture_output=True, check=True).stdout
        assert read == content(number), f"file {number}.bin of {SIZES[number]} octets"
