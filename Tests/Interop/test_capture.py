"""What a protocol analyser makes of us: nothing malformed, and everything sealed opens with the password."""

import contextlib
import os
import subprocess

import csvp
import pytest
from csvp import S_OK
from dcom import exporter
from lab import tool, wait_until
from test_samba_tools import run


@contextlib.contextmanager
def capture(lab, path):
    """Everything on the loopback interface that concerns the nodes, written to a file while the block runs."""
    dumpcap = tool("dumpcap", "wireshark-common")
    hosts = " or ".join(f"host {node['address']}" for node in lab.nodes)
    process = subprocess.Popen(
        [dumpcap, "-q", "-i", "lo", "-f", f"tcp and ({hosts})", "-B", "64", "-w", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:

        def started():
            if process.poll() is not None:
                pytest.skip(f"no capture without the right to capture: {process.stderr.read().decode().strip()}")
            return path.exists() and path.stat().st_size > 0

        wait_until(started, 20, "dumpcap to begin")
        yield
        # The last packets are there once a connection made after them is.
        marker = len(path.read_bytes())
        association, resolver = exporter(lab.nodes[0])
        with association:
            resolver.ServerAlive()
        wait_until(lambda: len(path.read_bytes()) > marker, 20, "the capture to catch up")
    finally:
        process.terminate()
        process.wait(20)


def tshark(lab, path, *arguments) -> list[str]:
    finished = subprocess.run(
        [tool("tshark", "tshark"), "-n", "-r", str(path), "-o", f"ntlmssp.nt_password:{lab.password}", *arguments],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert finished.returncode == 0, finished.stderr
    return [line for line in finished.stdout.splitlines() if line.strip()]


def scenario(lab, clients, gpt, mbr):
    """A bit of everything that well-behaved clients do."""
    for way in ("RemoteCreateInstance", "RemoteActivation"):
        for disk in (gpt, mbr):
            storage = clients.storage(way=way, ready=True)
            storage.take(disk)
            assert storage.props(disk)[0] == S_OK
            content = os.urandom(30_000)
            assert storage.write_file(disk, 1, "captured.bin", content) == S_OK
            assert storage.verify_file(disk, 1, "captured.bin", content) == S_OK
            assert storage.delete_file(disk, 1, "captured.bin") == S_OK
            _, (sector, _) = storage.arb_sectors(disk)
            assert storage.raw_read(disk, sector)[0] == S_OK
            assert storage.call("CprepDiskOffline", disk)[0] == S_OK
            assert storage.call("CprepDiskStopDefense", disk)[0] == S_OK
            clients.release(storage)
        setup = clients.setup(way=way)
        assert setup.config_secret(b"captured secret") == S_OK
        assert setup.retrieve_secret() == (S_OK, b"captured secret")
        assert setup.host_label()[0] == S_OK
        assert setup.proxy.object.query(csvp.IID_IClusterSetup).ipid
        clients.release(setup)
    node = lab.nodes[0]
    if node["endpointMapperPort"] == 135:
        credentials = f"{lab.domain}\\{lab.user}%{lab.password}"
        target = f"ncacn_ip_tcp:{node['address']}"
        for suite in ("rpc.oxidresolve", "rpc.remact", "rpc.asyncbind"):
            run(lab, tool("smbtorture", "samba-testsuite"), target + "[ntlm,seal]", "-U", credentials, suite)
        run(lab, tool("rpcclient", "smbclient"), target, "-U", credentials, "-c", "epmlookup")


def test_a_capture_is_well_formed_and_decrypts(lab, clients, gpt, mbr, tmp_path):
    path = tmp_path / "interop.pcapng"
    with capture(lab, path):
        scenario(lab, clients, gpt, mbr)

    assert tshark(lab, path, "-Y", "dcerpc"), "nothing was captured"
    # tshark cannot decrypt nothing: it calls a sealed request without a stub malformed, which Samba's clients send for a
    # method without parameters.
    nothing = "(dcerpc.pkt_type == 0 && dcerpc.cn_alloc_hint == 0 && dcerpc.auth_level == 6)"
    assert tshark(lab, path, "-Y", f"_ws.malformed && !{nothing}") == []
    sealed = f"dcerpc.auth_level == 6 && (dcerpc.pkt_type == 0 || dcerpc.pkt_type == 2) && !{nothing}"
    opened = "(dcerpc.payload_stub_data || dcerpc.decrypted_stub_data || dcerpc.stub_data)"
    assert tshark(lab, path, "-Y", sealed), "nothing was sealed"
    assert tshark(lab, path, "-Y", f"{sealed} && !{opened}") == []
    lab.password, right = lab.password + "x", lab.password
    try:
        assert tshark(lab, path, "-Y", f"{sealed} && {opened}") == [], "opened without the password"
    finally:
        lab.password = right
