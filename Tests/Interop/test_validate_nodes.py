"""`clusprep validate NODE…` against a lab: what it says, what becomes of it when a node dies, and what it leaves behind."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import csvp
import json_schema
import pytest
from lab import REPOSITORY, Daemons, binaries, wait_until

#: What changes disks, in the order in which it is run.
CHANGING = [
    "persistent-reservation", "disk-arbitration", "multiple-arbitration", "disk-failover", "simultaneous-failover",
    "disk-access-latency", "file-system",
]


#: Each arbitration that is refused takes as long as a challenge: 7 s without this.
QUICK = {"defense_interval": "1", "challenge_time": "2.5"}


class Validation:
    """A validation of the lab's nodes that runs."""

    def __init__(self, lab, folder, *arguments: str):
        folder.mkdir(parents=True, exist_ok=True)
        self.json, self.html, self.junit = (folder / f"report.{kind}" for kind in ("json", "html", "xml"))
        self.process = subprocess.Popen(
            [
                binaries() / "clusprep", "validate", "--lab", lab.folder, "--html", self.html, "--json", self.json,
                "--junit", self.junit, *arguments,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.said = ""

    def planned(self):
        """Waits until the plan is shown: the tests begin."""
        while not (line := self.process.stdout.readline()).startswith("tests:"):
            assert line, self.process.stderr.read()
            self.said += line
        return self

    def end(self) -> tuple[int, dict]:
        """The exit status and the report."""
        said, complaints = self.process.communicate(timeout=600)
        self.said += said
        assert self.json.exists(), complaints + self.said
        report = json.loads(self.json.read_text())
        json_schema.check(report, REPOSITORY / "docs" / "validation.schema.json")
        assert self.html.read_text().startswith("<!DOCTYPE html>")
        assert self.junit.read_text().startswith("<?xml")
        return self.process.returncode, report


def result(report: dict, test: str) -> dict:
    return next(item for item in report["tests"] if item["id"] == test)


def left(lab) -> list[str]:
    """The keys that are registered on the lab's disks, as somebody else sees them."""
    done = subprocess.run(
        [binaries() / "clusprep", "disks", "--no-local", "--json", "--disk", *[disk["path"] for disk in lab.disks]],
        capture_output=True, text=True, timeout=300, check=True,
    )
    return [key for disk in json.loads(done.stdout)["disks"] for key in disk.get("reservations", {}).get("keys", [])]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Two nodes and two disks without the program that keeps a lab: the tests kill nodes and start them again."""
    site = Daemons(
        tmp_path_factory.mktemp("lab") / "shared", log_folder=str(tmp_path_factory.mktemp("log")), **QUICK
    ).start()
    for name in ("folder", "domain", "user", "password"):
        setattr(site, name, getattr(site.lab, name))
    yield site
    assert set(site.stop().values()) == {0}


@pytest.fixture(autouse=True)
def clean(lab):
    """Every test ends with free disks and both nodes."""
    yield
    missing = {0, 1} - lab.running
    if missing:
        lab.start(*missing)
    wait_until(lambda: not left(lab), 20, "the nodes to let go of the disks")


def test_healthy_nodes_pass(lab, tmp_path):
    validation = Validation(lab, tmp_path, "--include", "storage")
    status, report = validation.end()
    for test in report["tests"]:
        if test["category"] != "storage":
            assert test["verdict"] == "excluded"
        # Without an SMB server the nodes have no shared volumes, which is a warning.
        elif not test["id"].startswith("csv-"):
            assert test["verdict"] == "passed", (test["id"], test["summary"])
    assert status == 0
    assert left(lab) == []
    assert [disk["numbers"] for disk in report["disks"]] == [{"node1": 0, "node2": 0}, {"node1": 1, "node2": 1}]
    assert all("exclusion" not in disk for disk in report["disks"])
    steps = result(report, "persistent-reservation")["steps"]
    assert {step["call"]["name"] for step in steps if "call" in step} >= {
        f"CprepDisk{name}" for name in (
            "PRRegister3", "PRReserve3", "PRRelease3", "PRPreempt3", "PRClear3", "FindKey3", "IsPRPresent3", "RawWrite",
        )
    }
    refused = [step for step in steps if step["text"] == "Reserve what another node has reserved"]
    assert [step["call"]["result"] for step in refused] == ["0x800700AA"] * 2
    assert "passed" in validation.said and "\x1b" not in validation.said


@pytest.mark.parametrize("test", CHANGING)
@pytest.mark.parametrize("which", [0, 1])
def test_node_that_is_killed(lab, tmp_path, test, which):
    """At different times in the test: the validation tells of it, and what the node held is taken off by the other one."""
    validation = Validation(lab, tmp_path, "--include", test).planned()
    if test in ("disk-arbitration", "multiple-arbitration"):
        wait_until(lambda: left(lab) or validation.process.poll() is not None, 20, "a registration")
    else:
        time.sleep(0.02 + 0.05 * which)
    lab.kill(which)  # no warning, no tidying up: what the node has registered stays
    status, report = validation.end()
    outcome = result(report, test)
    if outcome["verdict"] == "passed":  # it was faster
        assert status == 0
    else:
        assert outcome["verdict"] == "unfinished", outcome["summary"]
        assert f"node{which + 1}" in outcome["summary"]
        assert status == 2
    assert all(step["outcome"] != "bad" for step in report["cleanup"]), report["cleanup"]
    assert left(lab) == []


def catches(process: int, number: int) -> bool:
    """Whether a signal does not simply end the process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    masks = [int(line.split(":")[1], 16) for line in lines if line.startswith(("SigBlk:", "SigIgn:", "SigCgt:"))]
    return any(mask >> (number - 1) & 1 for mask in masks)


@pytest.mark.parametrize("delay", [0.1, 1.5])
def test_interrupted(lab, tmp_path, delay):
    validation = Validation(lab, tmp_path, "--include", "storage").planned()
    wait_until(lambda: catches(validation.process.pid, signal.SIGINT), 60, "the validation to heed signals")
    time.sleep(delay)
    validation.process.send_signal(signal.SIGINT)
    status, report = validation.end()
    assert status == 2
    assert any("interrupted" in test["summary"] for test in report["tests"])
    assert "Interrupted: putting everything back." in validation.said
    assert left(lab) == []


def test_two_at_once_tell_of_each_other(lab, tmp_path):
    # Arbitration takes long enough for the two to meet.
    quick = ["persistent-reservation", "disk-arbitration", "disk-failover", "file-system"]
    both = [Validation(lab, tmp_path / name, "--include", *quick) for name in ("one", "two")]
    told = 0
    for validation in both:
        _, report = validation.end()
        for test in report["tests"]:
            assert test["verdict"] != "failed", test["summary"]
        told += any("another validation" in disk.get("exclusion", "") for disk in report["disks"])
        told += any("registered with it" in disk.get("exclusion", "") for disk in report["disks"])
    assert told
    assert left(lab) == []


def test_disk_in_use_is_left_alone(lab, clients, tmp_path):
    storage = clients.storage(ready=True)
    disk = csvp.DiskID(csvp.CprepIdNumber, 0)
    storage.take(disk)
    before = left(lab)
    status, report = Validation(lab, tmp_path, "--include", "list-disks", "disk-arbitration", "--disks", "0").end()
    assert status == 2
    assert "registered" in report["disks"][0]["exclusion"]
    assert left(lab) == before


def test_absent_nodes_and_twins(lab, tmp_path):
    """A node that does not answer, and one that is named twice: neither keeps the others from being looked at."""
    report = tmp_path / "report.json"
    addresses = [node["address"] for node in lab.nodes] + ["localhost", "127.0.0.9"]
    done = subprocess.run(
        [
            binaries() / "clusprep", "validate", *addresses, "--port", str(lab.nodes[0]["endpointMapperPort"]),
            "--user", f"{lab.domain}\\{lab.user}", "--include", "list-disks", "--json", report,
            "--html", tmp_path / "report.html",
        ],
        input=lab.password + "\n", capture_output=True, text=True, timeout=300,
    )
    assert done.returncode == 2, done.stderr
    failures = {node["name"]: node.get("failure", "") for node in json.loads(report.read_text())["nodes"]}
    assert [failures[address] for address in addresses[:2]] == ["", ""]
    assert f"as {addresses[0]} does" in failures["localhost"]
    assert "cannot connect" in failures["127.0.0.9"]
    assert "left out" not in done.stdout and "List Potential Cluster Disks" in done.stdout


def test_wrong_password(lab, tmp_path):
    done = subprocess.run(
        [
            binaries() / "clusprep", "validate", lab.nodes[0]["address"], "--port",
            str(lab.nodes[0]["endpointMapperPort"]), "--user", f"{lab.domain}\\{lab.user}", "--html",
            tmp_path / "report.html",
        ],
        input="not this one\n", capture_output=True, text=True, timeout=300,
    )
    assert done.returncode == 2
    assert "does not answer: access denied" in done.stdout


def test_wrong_command_lines(lab):
    def status(*arguments: str) -> int:
        return subprocess.run(
            [binaries() / "clusprep", "validate", *arguments], capture_output=True, stdin=subprocess.DEVNULL, timeout=300
        ).returncode

    assert status() == 64
    assert status("node1") == 64  # neither --user nor --kerberos
    assert status("--lab", str(lab.folder), "--include", "no-such-test") == 64
    assert status("--lab", str(lab.folder), "--disks", "9") == 2
    # What keeps a validation from being done is no fault that it found.
    assert status("--lab", "/no/such/lab") == 2
    assert status("node1", "--user", "LAB\\admin") == 2  # no password
    assert status("--lab", str(lab.folder), "--include", "list-disks", "--html", "/no/such/folder/x.html") == 2
    assert status("--list") == 0
