"""`clusprep replay`: the captures of Fixtures/captures against the lab, and against a server that changes one answer."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from lab import binaries

CAPTURES = Path(__file__).resolve().parents[2] / "Fixtures" / "captures"
sys.path.insert(0, str(CAPTURES))

import replay as fixtures  # noqa: E402


def entry(name: str) -> dict:
    return next(item for item in json.loads((CAPTURES / "captures.json").read_text()) if item["file"] == f"{name}.pcap")


def run(lab, name: str, folder: Path, *options, port: int | None = None, limit: int = 30):
    """`clusprep replay` on a capture, to the first node; its status, and what it printed as JSON."""
    captured = entry(name)
    rules = folder / "disks.rules"
    rules.write_text(fixtures.disk_rules(captured["disks"], lab.disks))
    node = lab.nodes[0]
    command = [
        binaries() / "clusprep", "replay", CAPTURES / captured["file"], "--json", "--time-limit", limit,
        "--to", node["address"], "--port", port or node["endpointMapperPort"], "--rules", CAPTURES / "fixtures.rules",
        "--rules", rules, "--nt-password", captured["password"], "--user", f"{lab.domain}\\{lab.user}", *options,
    ]  # fmt: skip
    done = subprocess.run(
        [str(word) for word in command], input=lab.password + "\n", text=True, capture_output=True, timeout=120
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


class Proxy:
    """Passes TCP on to a node's endpoint mapper, and lets `change` have each PDU of an answer."""

    def __init__(self, node: dict, change):
        self.target = (node["address"], node["endpointMapperPort"])
        self.change = change
        self.listener = socket.create_server((node["address"], 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            opnums: dict[int, int] = {}
            threading.Thread(target=self._pass, args=(client, server, opnums, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, opnums, True), daemon=True).start()

    def _pass(self, source, sink, opnums, is_answer):
        buffer = b""
        try:
            while data := source.recv(65536):
                buffer += data
                while len(buffer) >= 16 and len(buffer) >= (length := struct.unpack_from("<H", buffer, 8)[0]):
                    pdu, buffer = bytearray(buffer[:length]), buffer[length:]
                    call = struct.unpack_from("<L", pdu, 12)[0]
                    if pdu[2] == 0 and not is_answer:
                        opnums[call] = struct.unpack_from("<H", pdu, 22)[0]
                    if is_answer:
                        pdu = self.change(pdu, opnums.get(call))
                    sink.sendall(bytes(pdu))
        except OSError:
            pass
        finally:
            for end in (source, sink):
                end.close()

    def close(self):
        self.listener.close()


@pytest.fixture
def proxied(lab):
    proxies = []

    def make(change) -> int:
        proxies.append(Proxy(lab.nodes[0], change))
        return proxies[-1].port

    yield make
    for proxy in proxies:
        proxy.close()


def test_a_node_answers_as_in_the_capture(lab, tmp_path):
    status, report = run(lab, "clusprep-tools", tmp_path)
    assert fixtures.unexplained(report) == []
    assert status == 0
    assert len(report["calls"]) > 5


def test_one_changed_answer_is_reported(lab, tmp_path, proxied):
    left = [1]

    def change(pdu, opnum):
        # ServerAlive2's answer begins with the version ([MS-DCOM] 3.1.2.5.1.6), which goes without authentication.
        if pdu[2] == 2 and opnum == 5 and pdu[10:12] == b"\0\0" and left:
            left.pop()
            pdu[26] = 2
        return pdu

    status, report = run(lab, "clusprep-tools", tmp_path, port=proxied(change))
    assert status == 1
    differing = [
        field["path"] for call in report["calls"] for field in call["differences"] if "allowed" not in field
    ]  # fmt: skip
    assert differing == ["IObjectExporter.ServerAlive2.pComVersion.MinorVersion"]
    assert [call["verdict"] for call in report["calls"]].count("differs") == 1


def test_garbage_and_silence_are_told(lab, tmp_path, proxied):
    def garble(pdu, opnum):
        return bytearray(b"\x55" * len(pdu))

    status, report = run(lab, "clusprep-tools", tmp_path, port=proxied(garble))
    assert status == 1
    assert all(call["verdict"] == "differs" for call in report["calls"])

    status, report = run(lab, "clusprep-tools", tmp_path, port=proxied(lambda pdu, opnum: bytearray()), limit=1)
    assert status == 1
    assert any("no answer within" in (item.get("detail") or "") for item in report["negotiations"])


def test_a_changed_state_is_a_difference(lab, tmp_path):
    """The first time a new node answers impacket as it did; then it keeps the secret of that session, and says so."""
    status, report = run(lab, "impacket-setup", tmp_path)
    assert (fixtures.unexplained(report), status) == ([], 0)
    status, report = run(lab, "clusprep-tools", tmp_path)
    assert status == 1
    assert any("IClusterSetup.RetrieveSvcSecret.SecretBLOB" in line for line in fixtures.unexplained(report))
