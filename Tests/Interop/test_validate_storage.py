"""`clusprep validate storage`: healthy units pass, bad ones are told with the command they got wrong, and nothing stays on any."""

import json
import signal
import socket
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import iscsi_tamper
import json_schema
import pytest
from lab import REPOSITORY, Target, binaries, wait_until
from libiscsi import judge

NAME = "iqn.2024-05.net.example:validate{}"
SCHEMA = REPOSITORY / "docs" / "validation.schema.json"
#: Those that take no time.
QUICK = ["list-disks", "vital-product-data", "persistent-reservation", "disk-failover"]
#: What tgtd gets wrong, by the finding's command: it has no PREEMPT AND ABORT, and ties registrations to sessions.
OF_TGTD = {"PERSISTENT RESERVE OUT / PREEMPT AND ABORT", "PERSISTENT RESERVE OUT / REGISTER"}


class Unit:
    """A unit of tgtd."""

    def __init__(self, portal: str, number: int):
        self.portal, self.name = portal, NAME.format(number)
        self.target = self.at(portal)

    def at(self, portal: str) -> str:
        return f"iscsi://{portal}/{self.name}/1"

    def state(self):
        """The keys, and who holds the reservation, as libiscsi sees it."""
        with judge(self.portal, self.name, 1) as look:
            _, keys, reservation = look()
        return sorted(keys), reservation


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    folder = tmp_path_factory.mktemp("target")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        portal = f"127.0.0.1:{probe.getsockname()[1]}"
    units = [Unit(portal, number) for number in range(4)]
    disks = []
    for number, unit in enumerate(units):
        image = folder / f"unit{number}.img"
        with image.open("wb") as file:
            file.truncate(16 << 20)
        disks.append({"target": unit.target, "path": str(image)})
    target = Target(folder, disks)
    target.start()
    yield units
    target.kill()


class Validation:
    """One that is running."""

    def __init__(self, folder: Path, target: str | Path, *arguments: str):
        folder.mkdir(parents=True, exist_ok=True)
        self.files = {form: folder / f"report.{form}" for form in ("html", "json", "xml")}
        self.process = subprocess.Popen(
            [
                binaries() / "clusprep", "validate", "storage", "--target", str(target), *arguments,
                "--html", self.files["html"], "--json", self.files["json"], "--junit", self.files["xml"],
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            # Whoever runs the tests by nohup has it ignored, and what is started from there keeps that.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )

    def end(self, status: int) -> dict:
        """Waits for the end, which has to be this one; the results."""
        try:
            self.output, _ = self.process.communicate(timeout=600)
        finally:
            self.process.kill()
        assert self.process.returncode == status, self.output
        assert self.files["html"].read_text().startswith("<!DOCTYPE html>")
        ElementTree.parse(self.files["xml"])
        document = json.loads(self.files["json"].read_text())
        json_schema.check(document, SCHEMA)
        return document


def blamed(result: dict) -> set[str]:
    return {
        finding.get("command") for test in result["tests"] for finding in test["findings"] if finding["severity"] == "error"
    }


def verdicts(result: dict) -> dict[str, str]:
    return {test["id"]: test["verdict"] for test in result["tests"]}


@pytest.fixture(scope="module", autouse=True)
def complete(units, tmp_path_factory):
    """All tests of a good unit and of tgtd's: arbitration takes its time, and the other tests of this file have theirs meanwhile."""
    folder = tmp_path_factory.mktemp("complete")
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    running = {"emulated": Validation(folder / "emulated", image), "tgtd": Validation(folder / "tgtd", units[3].target)}
    yield running, image
    for validation in running.values():
        validation.process.kill()


def test_a_target_that_ignores_the_type(units, tmp_path):
    portal = iscsi_tamper.TamperingPortal(units[0].portal, on_command=iscsi_tamper.reserve_ignores_the_type)
    result = Validation(tmp_path, units[0].at(portal.portal), "--include", "persistent-reservation").end(1)
    portal.close()
    assert "PERSISTENT RESERVE OUT / RESERVE" in blamed(result) - OF_TGTD
    assert units[0].state() == ([], None)


def test_a_target_that_gives_its_reservation_twice(units, tmp_path):
    portal = iscsi_tamper.TamperingPortal(units[0].portal, on_answer=iscsi_tamper.reserve_never_conflicts)
    result = Validation(tmp_path, units[0].at(portal.portal), "--include", "persistent-reservation").end(1)
    portal.close()
    assert blamed(result) - OF_TGTD == {"PERSISTENT RESERVE OUT / RESERVE"}
    assert units[0].state() == ([], None)


def test_a_target_with_two_identities(units, tmp_path):
    portal = iscsi_tamper.TamperingPortal(units[0].portal, on_answer=iscsi_tamper.IdentifierForEach())
    result = Validation(tmp_path, units[0].at(portal.portal), "--include", "vital-product-data").end(1)
    portal.close()
    assert blamed(result) == {"INQUIRY / page 83h"}


def test_a_target_that_is_not_there(units, tmp_path):
    """Nothing can be said, and the complaint says of what."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        target = units[0].at(f"127.0.0.1:{probe.getsockname()[1]}")
    done = subprocess.run(
        [binaries() / "clusprep", "validate", "storage", "--target", target], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2
    assert f"cannot open {target}" in done.stderr
    assert list(tmp_path.iterdir()) == [], "no report of nothing"


def test_a_validation_while_another_one_is_at_work(units, tmp_path):
    unit = units[1]
    # Long enough at work for the second one to find it there: three more challenges.
    first = Validation(tmp_path / "first", unit.target, "--include", "disk-arbitration", "multiple-arbitration")
    wait_until(lambda: unit.state()[0], 60, "the first validation to register")
    second = Validation(tmp_path / "second", unit.target, "--include", *QUICK)
    told = second.end(2)
    assert {test["verdict"] for test in told["tests"] if test["id"] in ("persistent-reservation", "disk-failover")} == {"unfinished"}
    assert "another validation" in next(test for test in told["tests"] if test["id"] == "persistent-reservation")["summary"]
    # The first has not noticed anything.
    assert verdicts(first.end(0))["disk-arbitration"] == "passed"
    assert unit.state() == ([], None)


def test_two_validations_that_begin_at_once(tmp_path):
    """On a unit without flaws: what either says against it would be the other's doing."""
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    both = [Validation(tmp_path / str(number), image, "--include", "disk-arbitration") for number in range(2)]
    outputs = [validation.process.communicate(timeout=600)[0] for validation in both]
    results = [json.loads(validation.files["json"].read_text()) for validation in both]
    assert "failed" not in {result["verdict"] for result in results}, outputs
    losers = [result for result in results if result["verdict"] == "unfinished"]
    assert losers, "one of them has to give way"
    for result in losers:
        assert "another validation" in next(test for test in result["tests"] if test["id"] == "disk-arbitration")["summary"]
    assert all(step["outcome"] == "good" for result in results for step in result["cleanup"])
    shown = subprocess.run(
        [binaries() / "clusprep", "reservations", image, "show", "--json"], capture_output=True, text=True, timeout=300
    )
    assert json.loads(shown.stdout)["state"]["keys"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_validation_leaves_nothing(units, tmp_path, number):
    unit = units[2]
    validation = Validation(tmp_path, unit.target, "--include", "disk-arbitration", "multiple-arbitration")
    wait_until(lambda: unit.state()[1], 60, "the validation to reserve")
    validation.process.send_signal(number)
    result = validation.end(2)
    assert "interrupted" in next(test for test in result["tests"] if test["id"] == "multiple-arbitration")["summary"]
    assert unit.state() == ([], None)


def test_a_unit_that_somebody_uses_is_left_alone(units, tmp_path):
    unit = units[0]
    tool = [binaries() / "clusprep", "reservations", unit.target]
    subprocess.run([*tool, "reserve", "--key", "A1", "--type", "wero", "--register-first", "--as", "user"], check=True, timeout=300)
    before = unit.state()
    assert before == ([0xA1], (0xA1, 5))
    result = Validation(tmp_path, unit.target, "--include", *QUICK).end(2)
    assert verdicts(result)["persistent-reservation"] == "unfinished"
    assert unit.state() == before
    taken = Validation(tmp_path / "taken", unit.target, "--include", *QUICK, "--even-in-use").end(1)
    assert blamed(taken) == OF_TGTD
    assert unit.state() == ([], None)


def test_every_disk_there_is_to_test(complete, units):
    running, image = complete
    result = running["emulated"].end(0)
    assert result["verdict"] == "passed"
    assert set(verdicts(result).values()) == {"passed"}
    assert image.read_bytes().count(0) == 16 << 20, "what was written was put back"


def test_what_tgtd_gets_wrong(complete, units):
    running, _ = complete
    result = running["tgtd"].end(1)
    assert {test for test, verdict in verdicts(result).items() if verdict != "passed"} == {"persistent-reservation"}
    assert blamed(result) == OF_TGTD
    assert units[3].state() == ([], None)
