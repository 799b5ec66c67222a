"""`clusprep reservations` and `clusprep disks` against tgtd: what they say they did, libiscsi finds on the unit."""

import json
import socket
import subprocess

import pytest
from lab import Target, binaries
from libiscsi import judge

NAME = "iqn.2024-05.net.example:tool"
CONFLICT = 24


@pytest.fixture(scope="module")
def unit(tmp_path_factory):
    """The portal and the target's text."""
    folder = tmp_path_factory.mktemp("target")
    image = folder / "unit.img"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        portal = f"127.0.0.1:{probe.getsockname()[1]}"
    text = f"iscsi://{portal}/{NAME}/1"
    target = Target(folder, [{"target": text, "path": str(image)}])
    target.start()
    yield portal, text
    target.kill()


def run(*arguments: str):
    """The exit status, what was printed as JSON, and the complaints."""
    done = subprocess.run(
        [binaries() / "clusprep", *arguments, "--json"], capture_output=True, text=True, timeout=300
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def reservations(unit, *arguments: str, initiator: str = "a"):
    return run("reservations", unit[1], *arguments, "--as", initiator)


def check(unit, state: dict, keys: list[int], reservation: tuple[int, int] | None):
    """What the tool printed is what libiscsi sees, and both are what is expected."""
    with judge(unit[0], NAME, 1) as look:
        generation, found, held = look()
    assert (sorted(found), held) == (keys, reservation)
    assert state["generation"] == generation
    assert sorted(int(key, 16) for key in state["keys"]) == keys
    printed = state.get("reservation")
    assert (printed and (int(printed["key"], 16), printed["type"])) == reservation


@pytest.fixture(autouse=True)
def empty(unit):
    yield
    assert reservations(unit, "clear", "--key", "FFFF", "--register-first", initiator="janitor")[0] == 0


def test_register_reserve_and_clear(unit):
    code, report, _ = reservations(unit, "register", "--new-key", "A1")
    assert (code, report["result"]) == (0, "done")
    check(unit, report["state"], [0xA1], None)
    code, report, _ = reservations(unit, "reserve", "--key", "B1", "--type", "wero", "--register-first", initiator="b")
    assert code == 0
    check(unit, report["state"], [0xA1, 0xB1], (0xB1, 5))
    code, report, _ = reservations(unit, "clear", "--key", "C1", "--register-first", initiator="c")
    assert code == 0
    check(unit, report["state"], [], None)


@pytest.mark.parametrize("name, number", [("we", 1), ("3", 3), ("exclusive-access-registrants-only", 6)])
def test_types(unit, name, number):
    code, report, _ = reservations(unit, "reserve", "--key", "A1", "--type", name, "--register-first")
    assert code == 0
    check(unit, report["state"], [0xA1], (0xA1, number))


PREEMPT = ("preempt", "--key", "B1", "--service-action-key", "A1", "--type", "ea", "--register-first")


def test_preempt(unit):
    assert reservations(unit, "reserve", "--key", "A1", "--type", "wero", "--register-first")[0] == 0
    code, report, _ = reservations(unit, *PREEMPT, initiator="b")
    assert code == 0
    check(unit, report["state"], [0xB1], (0xB1, 3))


def test_what_the_target_does_not_know(unit):
    """tgtd has no PREEMPT AND ABORT; that is a failure and no conflict, and nothing has happened."""
    assert reservations(unit, "reserve", "--key", "A1", "--type", "wero", "--register-first")[0] == 0
    code, report, complaint = reservations(unit, *PREEMPT, "--abort", initiator="b")
    assert (code, report["result"]) == (1, "failed")
    assert "ILLEGAL REQUEST" in complaint
    check(unit, report["state"], [0xA1, 0xB1], (0xA1, 5))


def test_conflicts_have_a_status_of_their_own(unit):
    assert reservations(unit, "reserve", "--key", "A1", "--type", "wero", "--register-first")[0] == 0
    code, report, complaint = reservations(
        unit, "reserve", "--key", "B1", "--type", "wero", "--register-first", initiator="b"
    )
    assert (code, report["result"]) == (CONFLICT, "conflict")
    assert "reservation conflict" in complaint
    check(unit, report["state"], [0xA1, 0xB1], (0xA1, 5))
    code, report, complaint = reservations(unit, "release", "--key", "C1", "--type", "wero", initiator="c")
    assert code == CONFLICT
    assert "--register-first" in complaint


def test_show(unit):
    reservations(unit, "reserve", "--key", "A1", "--type", "wero", "--register-first")
    code, report, _ = reservations(unit, "show", initiator="b")
    assert code == 0
    check(unit, report["state"], [0xA1], (0xA1, 5))
    assert report["state"]["capabilities"]["types"] == [1, 3, 5, 6, 7, 8]


def test_disks(unit):
    code, listing, _ = run("disks", "--no-local", "--discover", unit[0])
    assert code == 0
    (disk,) = listing["disks"]
    assert disk["disk"] == unit[1]
    assert (disk["bus"], disk["busType"], disk["size"], disk["style"]) == ("iSCSI", 9, 16 << 20, "raw")
    assert disk["clusterable"] and disk["reservations"]["keys"] == []


def test_a_portal_that_does_not_answer(unit):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        code, listing, complaint = run("disks", "--no-local", "--discover", f"127.0.0.1:{probe.getsockname()[1]}")
    assert (code, listing["disks"]) == (1, [])
    assert "cannot discover" in complaint
