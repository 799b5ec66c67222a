"""The node's logs, [MS-CSVP] 3.12 and 3.18 to 3.20, as a foreign client asks for them and a foreign SMB client fetches them."""

import os
import struct
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from conftest import QUICK, Clients
from csvp import S_OK
from dcom import Credentials
from lab import Lab, binaries, tool, wait_until
from logs import (
    CLUSTER,
    CLUSTER_SET,
    E_INVALIDARG,
    E_OUTOFMEMORY,
    ERROR_NOT_FOUND,
    HEALTH,
    LOCAL_TIME,
    NETFT,
    NETWORK,
    SKIP_CLUSTER_STATE,
    Logs,
    Reader,
    events,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="smbd becomes other users, for which it has to be root")

EVERYTHING = 0xFFFFFFFF


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Nodes five and a half hours east of Greenwich."""
    folder = tmp_path_factory.mktemp("lab") / "shared"
    running = Lab(folder, TZ="XST-5:30", **QUICK)
    yield running
    code = running.stop()
    assert code == 0, f"clusprep lab ended with {code} on SIGTERM"
    wait_until(lambda: not running.leftovers(), 10, "the lab's processes and ports to go away")
    usershares = [path.name for node in running.nodes for path in (folder / node["name"]).glob("samba/usershares/*")]
    assert usershares == [], "the share of logs has outlived its node"


@pytest.fixture(scope="module")
def reader(lab):
    for program in ("smbd", "smbclient"):
        tool(program, "samba" if program == "smbd" else program)
    found = Reader(lab, lab.nodes[0])
    yield found
    found.forget()


def now() -> datetime:
    return datetime.now(timezone.utc)


def test_the_file_is_where_the_path_says(clients, reader, survives):
    code, path = Logs(clients).cluster()
    assert code == S_OK
    share, name = path.split("\\")
    assert not set(share + name) & set('/:*?"<>|;'), path
    text = reader.fetch(path)
    assert events(text)
    assert f"Node: {reader.node['name']}" in text
    # Samba's own client reads the same, and neither writes nor removes.
    assert reader.smbclient(share, f"get {name} -").stdout.count("::") >= text.count("::")
    for command in (f"del {name}", "put /etc/hostname x.log", "mkdir x", f"rename {name} x.log"):
        denied = reader.smbclient(share, command).stdout
        assert "NT_STATUS_ACCESS_DENIED" in denied or "NT_STATUS_MEDIA_WRITE_PROTECTED" in denied, denied
    for stranger in ("%", "root%wrong", "nobody%"):
        assert reader.smbclient(share, "ls", user=stranger).returncode != 0


def test_spans(clients, reader):
    """3.12.4.2: "Events that occurred in the range of Now to (Now - SpanMinutes) MUST be in the log and no others"."""
    logs = Logs(clients)
    code, path = logs.span(0)
    assert (code, events(reader.fetch(path))) == (S_OK, [])
    before = now()
    code, path = logs.span(1)
    assert code == S_OK
    recent = events(reader.fetch(path))
    assert recent, "the activation itself is an event"
    for moment, *_ in recent:
        assert before - timedelta(seconds=61) <= moment <= now() + timedelta(seconds=1)
    code, path = logs.span(EVERYTHING)
    assert code == S_OK
    assert len(events(reader.fetch(path))) >= len(recent)


def test_local_time(clients, reader):
    logs = Logs(clients)
    east = timedelta(hours=5, minutes=30)
    for code, path in (
        logs.cluster_local(), logs.span_local(5), logs.extended(3, 5, LOCAL_TIME), logs.network(5, 0, LOCAL_TIME),
        logs.log_ex(CLUSTER, 5, LOCAL_TIME), logs.log_ex2(CLUSTER, 5, LOCAL_TIME)[:2],
    ):
        assert code == S_OK
        for moment, *_ in events(reader.fetch(path)):
            assert abs(moment - east - now()) < timedelta(minutes=10)
    # In Greenwich the same events are as young as in the east.
    assert len(events(reader.fetch(logs.span(5)[1]))) >= len(events(reader.fetch(logs.span_local(5)[1]))) - 5


def test_each_log_has_what_its_name_promises(lab, clients, reader):
    logs = Logs(clients)
    disks = [disk["path"] for disk in lab.disks]
    health = reader.fetch(logs.extended(4, EVERYTHING)[1])
    assert all(disk in health for disk in disks) and "reservation" in health and "calls-in" in health
    network = reader.fetch(logs.network(EVERYTHING, 1)[1])
    assert " lo {" in network and "address 127.0.0.1/8" in network
    netft = reader.fetch(logs.extended(8, EVERYTHING)[1])
    assert "UDP port 3343" in netft and "IPv4 Udp:" in netft
    assert "Kernel: Linux" in reader.fetch(logs.extended(5, EVERYTHING)[1])
    for kind, whole in ((CLUSTER, 3), (HEALTH, 4), (CLUSTER_SET, 5), (NETFT, 8)):
        code, path = logs.log_ex(kind, EVERYTHING)
        assert code == S_OK and f"-{path.split('-')[1]}-" in logs.extended(whole, EVERYTHING)[1]
    assert logs.log_ex(NETWORK, EVERYTHING)[0] == S_OK


def test_performance_history(clients, reader):
    logs = Logs(clients)
    code, path = logs.performance(None)
    assert code == S_OK
    header, *rows = reader.fetch(path).splitlines()
    assert header == "time,stream,name,value"
    assert {"rpc", "log", "host"} <= {row.split(",")[1] for row in rows}
    assert all(int(row.split(",")[3]) >= 0 for row in rows)
    code, path = logs.performance("rpc", pattern=struct.pack("<LLLL", 0x20000, 0, 0xFFFFFFFF, 0))
    assert code == S_OK
    assert {row.split(",")[1] for row in reader.fetch(path).splitlines()[1:]} == {"rpc"}
    for stream in ("RPC", "../rpc", "rpc\0", "no such stream", "x" * 10_000):
        assert logs.performance(stream) == (ERROR_NOT_FOUND, None)


def test_sections_in_files_of_their_own(clients, reader):
    logs = Logs(clients)
    assert logs.count() == (S_OK, 0)
    assert logs.file_path(0) == (E_OUTOFMEMORY, None)
    code, path, paths = logs.log_ex2(CLUSTER, 5)
    assert (code, path) == (S_OK, paths)
    code, path, paths = logs.log_ex2(CLUSTER, 5, no_collate=1)
    files = paths.split(";")
    assert code == S_OK and files[0] == path and len(files) > 1
    assert logs.count() == (S_OK, len(files))
    assert [logs.file_path(index) for index in range(len(files))] == [(S_OK, file) for file in files]
    for index in (len(files), 0xFFFFFFFF):
        assert logs.file_path(index) == (E_OUTOFMEMORY, None)
    texts = [reader.fetch(file) for file in files]
    assert "[=== Events ===]" in texts[0] and "[=== Disks ===]" not in texts[0]
    assert any("[=== Disks ===]" in text for text in texts[1:])
    code, path = logs.log_ex(CLUSTER, 5, SKIP_CLUSTER_STATE, 1)
    assert code == S_OK
    _, count = logs.count()
    assert count < len(files)
    # Another activation knows nothing of these.
    assert Logs(clients).count() == (S_OK, 0)


def test_bad_arguments(clients, survives):
    logs = Logs(clients)
    for flags in (4, 7, 0x8000, 0xFFFF):
        for opnum in (3, 4, 5, 8):
            assert logs.extended(opnum, 1, flags) == (E_INVALIDARG, None)
        assert logs.network(1, 0, flags) == (E_INVALIDARG, None)
        assert logs.performance(None, flags) == (E_INVALIDARG, None)
        assert logs.log_ex2(CLUSTER, 1, flags) == (E_INVALIDARG, None, None)
    assert logs.log_ex(CLUSTER, 1)[0] == S_OK
    for kind in (5, 0x7FFF, 0xFFFF):
        assert logs.log_ex(kind, 1) == (E_INVALIDARG, None)
        assert logs.count() == (S_OK, 0)
    for level in (-1, 0, 3, 0x7FFFFFFF):
        assert logs.network(1, level)[0] == S_OK


def test_old_files_make_room(lab, clients, reader):
    logs = Logs(clients)
    share = ""
    for _ in range(70):
        code, path = logs.span(0)
        assert code == S_OK
        share = path.split("\\")[0]
    listing = reader.smbclient(share, "ls").stdout
    assert listing.count(".log") == 64
    assert path.split("\\")[1] in listing


def test_the_command_line(lab, clients, reader, tmp_path):
    """`clusprep log`, local and with --node."""
    state = lab.folder / reader.node["name"] / "state"
    clusprep = binaries() / "clusprep"

    def run(*arguments, status=0, **how):
        result = subprocess.run([clusprep, "log", *arguments], capture_output=True, text=True, timeout=300, check=False, **how)
        assert result.returncode == status, result
        return result

    local = run("--state-folder", state).stdout
    assert events("[=== Events ===]\n" + local)
    assert run("--state-folder", state, "--span", "0").stdout == ""
    assert run("--state-folder", state, "--json").stdout.startswith('{"component":')
    run("--state-folder", state, "--output", tmp_path / "log")
    assert (tmp_path / "log").read_text().startswith(local)
    run("--state-folder", state, "--output", tmp_path / "log", status=1)
    run("--state-folder", tmp_path, status=1)
    run("--span", "4294967296", status=64)
    run("--kind", "nonsense", status=64)
    remote = ["--node", reader.node["address"], "--port", str(reader.node["endpointMapperPort"])]
    remote += ["--user", f"{lab.domain}\\{lab.user}"]
    path = run(*remote, "--kind", "health", "--span", "5", input=lab.password + "\n").stdout.strip()
    assert path.startswith(f"\\\\{reader.node['address']}\\")
    assert "[=== Disks ===]" in reader.fetch(path.split("\\", 3)[3])
    run(*remote, input="wrong\n", status=1)
    assert "Example" in run("--help").stdout


def test_events_survive_sigkill_and_the_share_is_made_anew(daemons, tmp_path):
    site = daemons(nodes=1, disks=1)
    site.start()
    node, credentials = site.nodes[0], Credentials(site.lab.domain, site.lab.user, site.lab.password)
    clients = Clients(site.lab, credentials)
    Logs(clients).span(0)
    clients.close()
    site.kill(0)
    state = site.lab.folder / node["name"] / "state"
    killed = subprocess.run(
        [binaries() / "clusprep", "log", "--state-folder", state], capture_output=True, text=True, check=True
    ).stdout
    assert "[log]" in killed
    # A record that was never finished.
    newest = sorted((state / "events").glob("events-*.log"))[-1]
    newest.write_bytes(newest.read_bytes() + b"\xe5EV1\x40\0\0\0\1\2\3\4half")
    site.start()
    clients = Clients(site.lab, credentials)
    code, _ = Logs(clients).span(5)
    clients.close()
    again = subprocess.run(
        [binaries() / "clusprep", "log", "--state-folder", state], capture_output=True, text=True, check=False
    )
    assert again.returncode == 2 and "belong to no event" in again.stderr
    assert again.stdout.startswith(killed) and len(again.stdout) > len(killed)
    site.stop()
    assert list((site.lab.folder / node["name"]).glob("samba/usershares/*")) == []
