"""Starting and stopping: what `clusprep lab` promises its users, and how the daemon refuses to start."""

import os
import signal
import stat
import subprocess
import time

import csvp
import pytest
from conftest import Clients
from csvp import S_OK, DiskID
from dcom import Association, Credentials, Fault, HResultError
from lab import Lab, binaries, listens, wait_until, with_flag

START_REFUSED_WITHIN = 300


def clients_of(nodes):
    return Clients(nodes.lab, Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password))


def command(nodes, index=0, **settings):
    """The command line of a node, with other settings."""
    arguments = [os.fsdecode(word) for word in nodes.daemons[index].arguments]
    for name, value in settings.items():
        arguments = with_flag(arguments, "--" + name.replace("_", "-"), value)
    return arguments


def refused(nodes, index=0, **settings):
    """Starts a node that must not start; what it says."""
    finished = subprocess.run(
        command(nodes, index, **settings),
        executable=nodes.daemons[index].executable,
        env=nodes.daemons[index].environment,
        capture_output=True,
        text=True,
        timeout=START_REFUSED_WITHIN,
        stdin=subprocess.DEVNULL,
    )
    said = finished.stdout + finished.stderr
    assert finished.returncode != 0, said
    assert "Fatal error" not in said and "Illegal instruction" not in said, said
    assert finished.returncode > 0, f"ended by signal {-finished.returncode}:\n{said}"
    return said


def files(folder):
    return [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]


def databases(nodes):
    found = []
    for path in files(nodes.lab.folder):
        if path not in [disk["path"] for disk in nodes.disks]:
            with open(path, "rb") as file:
                if file.read(15) == b"SQLite format 3":
                    found.append(path)
    assert found, "no database in the lab's folder"
    return found


def test_the_line_of_json(tmp_path):
    lab = Lab(tmp_path / "lab", nodes=2, disks=2)
    try:
        assert set(lab.description) >= {"nodes", "domain", "user", "password", "disks"}
        assert [set(node) >= {"name", "address", "endpointMapperPort", "pid"} for node in lab.nodes] == [True, True]
        assert len({node["name"] for node in lab.nodes}) == 2
        assert [node["address"] for node in lab.nodes] == ["127.0.0.1", "127.0.0.2"]
        if os.geteuid() == 0:
            assert {node["endpointMapperPort"] for node in lab.nodes} == {135}
        assert sorted(disk["style"].lower() for disk in lab.disks) == ["gpt", "mbr"]
        assert len({DiskID.of(disk) for disk in lab.disks}) == 2
        assert all(listens(node["address"], node["endpointMapperPort"]) for node in lab.nodes)
    finally:
        code = lab.stop()
    assert code == 0
    wait_until(lambda: not lab.leftovers(), 10, "the lab's processes and ports to go away")
    assert lab.folder.is_dir()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_node_outlives_the_lab(tmp_path, how):
    lab = Lab(tmp_path / "lab", nodes=2, disks=1)
    lab.process.send_signal(how)
    lab.process.wait(30)
    lab.process.stdout.close()
    wait_until(lambda: not lab.leftovers(), 20, f"the nodes to end after {how.name}")


@pytest.mark.parametrize("nodes, disks", [(1, 0), (1, 1), (3, 3)])
def test_other_sizes(tmp_path, nodes, disks):
    lab = Lab(tmp_path / "lab", nodes, disks)
    try:
        assert (len(lab.nodes), len(lab.disks)) == (nodes, disks)
    finally:
        assert lab.stop() == 0


def test_state_is_private(daemons):
    nodes = daemons(nodes=1, disks=1)
    images = [disk["path"] for disk in nodes.disks]
    for path in files(nodes.lab.folder):
        if not any(path.startswith(image) for image in images):
            mode = stat.S_IMODE(os.stat(path).st_mode)
            assert mode & 0o077 == 0, f"{path} has mode {mode:o}"


def test_a_second_daemon_on_one_state_folder(daemons):
    nodes = daemons(nodes=1, disks=1).start()
    said = refused(nodes, endpoint_mapper_port="0")
    assert "another" in said.lower() or "in use" in said.lower(), said
    assert clients_of(nodes).setup().host_label()[0] == S_OK
    assert nodes.stop() == {0: 0}


def test_a_port_in_use(daemons):
    nodes = daemons(nodes=2, disks=1).start(0)
    first = nodes.nodes[0]
    said = refused(nodes, 1, listen=first["address"], endpoint_mapper_port=str(first["endpointMapperPort"]))
    assert str(first["endpointMapperPort"]) in said, said
    nodes.stop()


def test_a_corrupt_database_is_reported_and_left_alone(daemons):
    nodes = daemons(nodes=1, disks=1).start()
    assert clients_of(nodes).setup().config_secret(b"precious") == S_OK
    assert nodes.stop() == {0: 0}
    path = databases(nodes)[0]
    with open(path, "r+b") as file:
        content = bytearray(file.read())
        for at in range(100, len(content), 97):
            content[at] ^= 0xFF
        file.seek(0)
        file.write(content)
    said = refused(nodes)
    assert os.path.basename(path) in said or os.path.dirname(path) in said, said
    with open(path, "rb") as file:
        assert file.read() == bytes(content), "a corrupt database was written to"


def test_a_file_that_is_no_database_is_left_alone(daemons):
    nodes = daemons(nodes=1, disks=1)
    path = databases(nodes)[0]
    for extra in ("-wal", "-shm"):
        if os.path.exists(path + extra):
            os.remove(path + extra)
    with open(path, "wb") as file:
        file.write(b"not a database at all " * 400)
    refused(nodes)
    with open(path, "rb") as file:
        assert file.read() == b"not a database at all " * 400


def test_an_unknown_setting(daemons):
    nodes = daemons(nodes=1, disks=0)
    refused(nodes, no_such_setting="1")


# Disks that are not what they should be


def with_damage(daemons, damage):
    nodes = daemons(nodes=1, disks=2)
    damage(nodes.disks[0]["path"])
    nodes.start()
    return nodes, DiskID.of(nodes.disks[1])


DAMAGES = {
    "missing": os.remove,
    "empty": lambda path: os.truncate(path, 0),
    "truncated": lambda path: os.truncate(path, os.path.getsize(path) // 2 + 100),
    "foreign": lambda path: open(path, "r+b").write(os.urandom(1 << 20)),
    "a folder": lambda path: (os.remove(path), os.mkdir(path)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_image_does_not_keep_the_others_from_serving(daemons, damage):
    nodes, good = with_damage(daemons, DAMAGES[damage])
    clients = clients_of(nodes)
    storage = clients.storage(ready=True)
    storage.take(good)
    assert storage.write_file(good, 1, "good.bin", b"good") == S_OK
    bad = DiskID.of(nodes.disks[0])
    code = storage.call("CprepDiskAttach", bad)[0]
    if code == S_OK and storage.call("CprepDiskPRArbitrate", bad)[0] == S_OK:
        assert storage.online(bad)[0] & 0x80000000 or storage.fs_name(bad, 1)[1] != "NTFS"
    clients.close()
    assert nodes.stop() == {0: 0}
    log = nodes.lab.log.read_text()
    assert os.path.basename(nodes.disks[0]["path"]) in log or damage == "foreign", "nothing was said about it"


# Users


def user_add(nodes, name, password, *flags, index=0):
    """`clusprep user add`, with the password on standard input; its exit status and output."""
    arguments = command(nodes, index)
    state = arguments[arguments.index("--state-folder") + 1] if "--state-folder" in arguments else None
    if state is None:
        state = next((word.split("=", 1)[1] for word in arguments if word.startswith("--state-folder=")), None)
    if state is None:
        pytest.skip("the lab's daemons have their state folder from elsewhere than their command line")
    finished = subprocess.run(
        [str(binaries() / "clusprep"), "user", "add", name, *flags, "--state-folder", state],
        input=f"{password}\n",
        capture_output=True,
        text=True,
        timeout=300,
    )
    return finished.returncode, finished.stdout + finished.stderr


def test_only_administrators(daemons):
    nodes = daemons(nodes=1, disks=1)
    code, said = user_add(nodes, "plain", "Plain-Passw0rd")
    assert code == 0, said
    code, said = user_add(nodes, "chief", "Chief-Passw0rd", "--admin")
    assert code == 0, said
    nodes.start()
    plain = Clients(nodes.lab, Credentials(nodes.lab.domain, "plain", "Plain-Passw0rd"))
    for way in ("RemoteCreateInstance", "RemoteActivation"):
        with pytest.raises((Fault, HResultError)) as caught:
            plain.setup(way=way)
        refusal = caught.value.status if isinstance(caught.value, Fault) else caught.value.code
        assert refusal in (0x00000005, 0x80070005)
    chief = Clients(nodes.lab, Credentials(nodes.lab.domain, "chief", "Chief-Passw0rd"))
    assert chief.setup().host_label()[0] == S_OK

    # Knowing the IPID of an administrator's object does not help.
    setup = chief.setup()
    address, port = setup.proxy.object._binding()
    with Association(address, port, plain.credentials) as association:
        bound = association.bind(csvp.IID_IClusterSetup)
        with pytest.raises(Fault) as caught:
            association.request(bound, (5, b"\x05\0\x07\0" + b"\0" * 28), setup.proxy.ipid)
        assert caught.value.status == 0x00000005
    chief.close()
    nodes.stop()


def test_a_reader_that_goes_away():
    """As behind `| head`: what is told to nobody is dropped, and the command goes on to its end."""
    reading, writing = os.pipe()
    os.close(reading)
    finished = subprocess.run(
        [str(binaries() / "clusprep"), "network"],
        stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=300,
    )
    os.close(writing)
    assert finished.returncode == 0, finished.stderr


def test_a_password_is_never_an_argument():
    finished = subprocess.run(
        [str(binaries() / "clusprep"), "user", "add", "--help"], capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0
    assert "--password" not in finished.stdout


def test_shutdown_does_not_wait_for_idle_clients(daemons):
    nodes = daemons(nodes=1, disks=1).start()
    clients = clients_of(nodes)
    storage = clients.storage(ready=True)
    storage.take(DiskID.of(nodes.disks[0]))
    before = time.monotonic()
    assert nodes.stop() == {0: 0}
    assert time.monotonic() - before < 15
    clients.objects.clear()


def test_a_second_lab_in_the_same_folder_is_refused(tmp_path):
    lab = Lab(tmp_path / "lab", nodes=1, disks=1)
    try:
        again = subprocess.run(
            [binaries() / "clusprep", "lab", "--dir", lab.folder, "--nodes", "1"],
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        )
        assert again.returncode == 1 and f"another lab (process {lab.process.pid}) runs" in again.stderr, again.stderr
        assert all(listens(node["address"], node["endpointMapperPort"]) for node in lab.nodes)
    finally:
        assert lab.stop() == 0
