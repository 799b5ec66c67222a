"""`clusprep dissect` on the captures in Fixtures: what tshark says of them, now and when they were made; and bad input."""

import json
import os
import subprocess
import sys

import pytest
from lab import REPOSITORY, binaries, tool

FOLDER = REPOSITORY / "Fixtures" / "captures"
sys.path.insert(0, str(FOLDER))

import tshark  # noqa: E402

CAPTURES = {entry["file"]: entry for entry in json.loads((FOLDER / "captures.json").read_text())}
#: One by each kind of client; all of them cost time.
IN_FULL = ["impacket-disk.pcap", "samba-kerberos.pcap", "clusprep-walk.pcap"]
KEYTAB = FOLDER / "services.keytab"


def dissect(*arguments, given="", status=0, **how):
    finished = subprocess.run(
        [str(binaries() / "clusprep"), "dissect", *map(str, arguments)], input=given, capture_output=True, text=True,
        timeout=300, **how,
    )
    assert finished.returncode == status, finished.stderr + finished.stdout[-2000:]
    return finished


def secrets(entry):
    return ("--keytab", KEYTAB) if entry["kerberos"] else ("--nt-password", entry["password"])


def calls(path, *arguments, **how):
    return json.loads(dissect(path, "--json", *arguments, **how).stdout)


def agree(report, messages):
    """Call by call: operation, object, direction and size."""
    requests = [index for index, message in enumerate(messages) if message["kind"] == "request"]
    assert len(requests) == len(report["calls"])
    for call, index in zip(report["calls"], requests):
        request = messages[index]
        answer = next(
            message for message in messages[index:]
            if message["kind"] != "request" and (message["stream"], message["call"]) == (request["stream"], request["call"])
        )
        assert (call["callID"], call["operation"]["opnum"]) == (request["call"], request["opnum"])
        assert call.get("object", {}).get("ipid") == request.get("object")
        assert call["request"]["size"] == request["size"]
        if answer["kind"] == "fault":
            assert call["fault"]["status"] == answer["status"]
        else:
            assert call["response"]["size"] == answer["size"]


@pytest.mark.parametrize("name", CAPTURES)
def test_tshark_agrees(name):
    tool("tshark", "tshark")
    entry, path = CAPTURES[name], FOLDER / name
    report = calls(path, *secrets(entry))
    agree(report, tshark.messages(path))
    named = [call for call in report["calls"] if "name" in call["operation"]]
    assert len(report["calls"]) - len(named) <= 1
    if name not in IN_FULL:
        return
    text = dissect(path, *secrets(entry)).stdout
    for call in named:
        assert f"::{call['operation']['name']} ({call['operation']['opnum']})" in text


def test_what_is_kept_of_tshark_is_what_it_says():
    tool("tshark", "tshark")
    kept = json.loads((FOLDER / "tshark.json").read_text())
    name = "clusprep-walk.pcap"
    assert tshark.messages(FOLDER / name, CAPTURES[name]["password"]) == kept[name]
    assert set(kept) == set(CAPTURES)


@pytest.mark.parametrize("name", ["impacket-disk.pcap", "samba-kerberos.pcap"])
def test_pcapng(name, tmp_path):
    """The same packets in the other format give the same calls."""
    path = tmp_path / "same.pcapng"
    subprocess.run([tool("editcap", "wireshark-common"), "-F", "pcapng", FOLDER / name, path], check=True, timeout=300)
    entry = CAPTURES[name]
    assert calls(path, *secrets(entry)) == calls(FOLDER / name, *secrets(entry))


def test_standard_input_and_hashes():
    entry = CAPTURES["impacket-setup.pcap"]
    path = FOLDER / entry["file"]
    expected = calls(path, "--nt-password", "-", given=entry["password"] + "\n")
    from impacket.ntlm import compute_nthash

    assert calls(path, "--nt-hash", compute_nthash(entry["password"]).hex()) == expected
    with path.open("rb") as file:
        finished = subprocess.run(
            [str(binaries() / "clusprep"), "dissect", "-", "--json", "--nt-password", entry["password"]], stdin=file,
            capture_output=True, timeout=300,
        )
    assert json.loads(finished.stdout) == expected
    secret = next(call for call in expected["calls"] if call["operation"].get("name") == "RetrieveSvcSecret")
    assert any(field["name"] == "SecretBLOB" for field in secret["response"]["fields"])


def test_wrong_secrets(tmp_path):
    path = FOLDER / "impacket-disk.pcap"
    finished = dissect(path, "--nt-password", "wrong", status=1)
    assert "none of the secrets given" in finished.stderr
    assert "the password given is not that which LAB\\clusadmin logged on with" in finished.stdout
    assert "was not given (--nt-password, --nt-hash)" in dissect(path).stdout
    empty = tmp_path / "empty.keytab"
    empty.write_bytes(b"\x05\x02")
    assert "holds no keys" in dissect(path, "--keytab", empty, status=2).stderr
    assert "32 hexadecimal digits" in dissect(path, "--nt-hash", "xyz", status=64).stderr


@pytest.mark.parametrize("name", IN_FULL)
def test_cut_off(name, tmp_path):
    """What is whole is read, and the rest is said. The unit tests cut everything everywhere."""
    entry, octets = CAPTURES[name], (FOLDER / name).read_bytes()
    path = tmp_path / "cut.pcap"
    before = 0
    for part in (3, 5, 8):
        path.write_bytes(octets[: len(octets) * part // 9 // 97 * 97])
        report = calls(path, *secrets(entry))
        assert before <= len(report["calls"])
        before = len(report["calls"])
        assert report["remarks"]


@pytest.mark.parametrize("content", [b"", b"no capture", b"\x0a\x0d\x0d\x0a" + bytes(60), bytes(4096)])
def test_no_captures(content, tmp_path):
    path = tmp_path / "file.pcap"
    path.write_bytes(content)
    finished = dissect(path, status=2)
    assert f"{path} is no capture that can be read" in finished.stderr
    assert finished.stdout == ""


def test_no_such_file(tmp_path):
    assert "No such file" in dissect(tmp_path / "none.pcap", status=2, env={**os.environ, "LC_ALL": "C"}).stderr
