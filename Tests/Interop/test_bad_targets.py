"""Disks that fail while they are used: frozen, silent, gone, refused, or the host's own."""

import contextlib
import fcntl
import json
import signal
import socket
import subprocess
import threading
import time

import csvp
import pytest
from conftest import Clients
from csvp import E_ACCESSDENIED, ERROR_BUSY, S_OK, DiskID
from dcom import Credentials
from lab import BRISK, STOP_TIMEOUT, alive, tool, wait_until

ERROR_DEV_NOT_EXIST = 0x80070037
ERROR_SEM_TIMEOUT = 0x80070079
ERROR_IO_DEVICE = 0x8007045D
#: Seconds; the targets' texts give a command two.
BOUNDED = 25
NUMBER_0 = DiskID(csvp.CprepIdNumber, 0)


def clients_of(nodes):
    return Clients(nodes.lab, Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password))


def impatient(disk: dict) -> str:
    return disk["target"] + "?timeout=2"


@contextlib.contextmanager
def frozen_image(nodes):
    """A process that never gives back a unit's lock: no command to it ever ends."""
    with open(nodes.disks[0]["path"] + ".reservations", "r+b") as state:
        fcntl.lockf(state, fcntl.LOCK_EX, 1, 1 << 60)
        yield nodes.disks[0]["path"]


@contextlib.contextmanager
def silent_portal(_):
    """Connections are made, and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"iscsi://127.0.0.1:{listener.getsockname()[1]}/iqn.2024-01.net.example:silent/1?timeout=2"


def start(nodes, first: str):
    """Starts the nodes with something else in the place of the first disk; the second disk's identifier."""
    second = nodes.disks[1]
    nodes.settings["disks"] = [first, second.get("target") or second["path"]]
    nodes.start()
    return DiskID.of(second)


@pytest.mark.parametrize("freeze, iscsi", [(frozen_image, False), (silent_portal, True)], ids=["frozen", "silent"])
def test_a_disk_that_does_not_answer_holds_up_nothing_else(daemons, freeze, iscsi):
    nodes = daemons(iscsi=iscsi, shutdown_timeout="1")
    with freeze(nodes) as bad:
        sound = start(nodes, bad)
        clients = clients_of(nodes)
        first, second = clients.storage(node=0, ready=True), clients.storage(node=1, ready=True)
        first.take(sound)
        assert first.write_file(sound, 1, "a.bin", b"a") == S_OK
        assert second.call("CprepDiskAttach", sound)[0] == S_OK
        _, (sector, _) = second.arb_sectors(sound)
        assert second.raw_write(sound, sector, b"early") == (ERROR_BUSY, 0)

        waiting = threading.Thread(target=attempt_to_attach, args=(first,), daemon=True)
        waiting.start()
        process = nodes.daemons[0].process
        process.send_signal(signal.SIGTERM)
        # One second for calls, ten for disks.
        process.wait(STOP_TIMEOUT)
        nodes.running.discard(0)
        assert second.raw_write(sound, sector, b"free") == (S_OK, 512), "the sound disk was given back"
        clients.close()


def attempt_to_attach(storage):
    with contextlib.suppress(Exception):  # the connection ends with the node
        storage.call("CprepDiskAttach", NUMBER_0)


def timed(call):
    before = time.monotonic()
    result = call()
    assert time.monotonic() - before < BOUNDED
    return result


def test_a_target_that_never_answers(daemons):
    nodes = daemons(nodes=1, iscsi=True)
    with silent_portal(nodes) as bad:
        start(nodes, bad)
        storage = clients_of(nodes).storage()
        assert timed(storage.prepare)[0] == S_OK
        assert timed(storage.phase2)[1]["pulNumDisks"] == 2
        assert timed(lambda: storage.call("CprepDiskAttach", NUMBER_0))[0] == ERROR_SEM_TIMEOUT
    # Nobody listens any more.
    assert timed(lambda: storage.call("CprepDiskAttach", NUMBER_0))[0] == ERROR_IO_DEVICE
    assert alive(nodes.nodes[0]["pid"])


def test_a_target_that_is_killed_during_calls(daemons):
    nodes = daemons(nodes=2, iscsi=True, **BRISK)
    disk = start(nodes, impatient(nodes.disks[0]))
    clients = clients_of(nodes)
    owner, other = clients.storage(node=0, ready=True), clients.storage(node=1, ready=True)
    owner.take(disk)
    assert other.call("CprepDiskAttach", disk)[0] == S_OK
    _, (sector, _) = other.arb_sectors(disk)
    written, codes = [], []

    def write():
        while not codes:
            name = f"written {len(written)}.bin"
            code = owner.write_file(disk, 1, name, name.encode())
            (written if code == S_OK else codes).append(name if code == S_OK else code)

    def read():
        while other.raw_read(disk, sector)[0] == S_OK:
            pass

    workers = [threading.Thread(target=work, daemon=True) for work in (write, read)]
    for worker in workers:
        worker.start()
    wait_until(lambda: len(written) > 3, 30, "the owner to write")
    nodes.target.kill()
    for worker in workers:
        worker.join(BOUNDED)
        assert not worker.is_alive(), "a call does not end"
    for storage in (owner, other):
        for name in ("CprepDiskPRArbitrate", "CprepDiskPRRegister", "CprepDiskIsReadable"):
            assert timed(lambda: storage.call(name, disk))[0] & 0x80000000, name  # noqa: B023
    assert timed(lambda: other.raw_write(disk, sector, b"x"))[0] & 0x80000000

    nodes.target.start()
    other.take(disk)
    for name in written:
        assert other.verify_file(disk, 1, name, name.encode()) == S_OK
    assert all(alive(node["pid"]) for node in nodes.nodes)
    clients.close()
    assert nodes.stop() == {0: 0, 1: 0}


def test_a_unit_that_is_taken_away(daemons):
    nodes = daemons(nodes=1, iscsi=True).start()
    gone, sound = (DiskID.of(disk) for disk in nodes.disks)
    clients = clients_of(nodes)
    storage = clients.storage(ready=True)
    storage.take(gone)
    storage.take(sound)
    nodes.target.take_away(1)
    assert timed(lambda: storage.raw_read(gone, 0))[0] == ERROR_DEV_NOT_EXIST
    assert timed(lambda: storage.write_file(gone, 1, "a.bin", b"a")) & 0x80000000
    assert timed(lambda: storage.call("CprepDiskOffline", gone))[0] & 0x80000000
    assert storage.write_file(sound, 1, "a.bin", b"a") == S_OK
    again = clients.storage(ready=True)
    assert timed(lambda: again.call("CprepDiskAttach", NUMBER_0))[0] == ERROR_DEV_NOT_EXIST
    clients.close()
    assert nodes.stop() == {0: 0}


@pytest.mark.parametrize("password", ["the-right-one", "a-wrong-one", None], ids=["right", "wrong", "none"])
def test_credentials(daemons, tmp_path, password):
    settings = {}
    if password:
        file = tmp_path / "secrets.json"
        file.write_text(json.dumps({"*": {"user": "node", "password": password}}))
        file.chmod(0o600)
        settings["iscsi_credentials"] = str(file)
    nodes = daemons(nodes=1, disks=1, iscsi=True, **settings)
    nodes.target.start()
    nodes.target.require("node", "the-right-one")
    nodes.start()
    storage = clients_of(nodes).storage(ready=True)
    code = timed(lambda: storage.call("CprepDiskAttach", NUMBER_0))[0]
    if password == "the-right-one":
        assert code == S_OK
        storage.take(DiskID.of(nodes.disks[0]))
    else:
        assert code == ERROR_IO_DEVICE
        assert alive(nodes.nodes[0]["pid"])
        wait_until(lambda: "credentials file" in nodes.lab.log.read_text(), 10, "the log to say what is wrong")
    assert "-one" not in nodes.lab.log.read_text(), "a password in the log"


def test_a_disk_that_the_host_uses(daemons, tmp_path):
    """A mounted file system: nothing that could change it is done."""
    for name, package in (("losetup", "mount"), ("mkfs.ext4", "e2fsprogs")):
        tool(name, package)
    image, folder = tmp_path / "used.img", tmp_path / "mounted"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with contextlib.ExitStack() as stack:
        made = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True)
        if made.returncode != 0:
            pytest.skip(f"loop devices cannot be made here: {made.stderr.strip()}")
        device = made.stdout.strip()
        stack.callback(subprocess.run, ["losetup", "--detach", device])
        mounted = subprocess.run(["mount", device, folder], capture_output=True, text=True)
        if mounted.returncode != 0:
            pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
        stack.callback(subprocess.run, ["umount", folder])
        nodes = daemons(nodes=1)
        stack.callback(nodes.kill_all)
        sound = start(nodes, device)
        storage = clients_of(nodes).storage(ready=True)
        code, props = storage.props(NUMBER_0)
        assert code == S_OK
        assert props["DiskIsClusterable"] == 0
        assert storage.call("CprepDiskAttach", NUMBER_0)[0] == S_OK
        code, first = storage.raw_read(NUMBER_0, 2)
        assert code == S_OK
        assert first[56:58] == b"\x53\xef", "the superblock"
        for sector in (0, 2, 20_000):
            assert storage.raw_write(NUMBER_0, sector, b"\0" * 512) == (E_ACCESSDENIED, 0)
        assert storage.codes(NUMBER_0, "PRRegister", "PRArbitrate") == [E_ACCESSDENIED] * 2
        assert storage.raw_read(NUMBER_0, 2) == (S_OK, first)
        storage.take(sound)
        assert nodes.stop() == {0: 0}
