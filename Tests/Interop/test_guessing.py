"""Guessed passwords slow the guesser, and nobody else."""

import pytest
from conftest import QUICK
from lab import Lab, wait_until
from ntlm_wire import AuthenticatedWire
from pdus import FAULT, MANAGEMENT, RESPONSE

pytestmark = pytest.mark.usefixtures("survives")

IS_SERVER_LISTENING = 2
ACCESS_DENIED = 5
STRANGER = "127.0.0.9"
#: With no failure free, the seventh attempt would wait for more than the ten seconds that any may.
GUESSES = 12


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    running = Lab(
        tmp_path_factory.mktemp("lab") / "shared", nodes=1, disks=1, CLUSPREPD_FREE_LOGON_FAILURES="0", **QUICK
    )
    yield running
    running.stop()
    wait_until(lambda: not running.leftovers(), 10, "the lab's processes and ports to go away")


def log_on(lab, credentials, origin=None):
    node = lab.nodes[0]
    return AuthenticatedWire(
        node["address"], node["endpointMapperPort"], credentials, MANAGEMENT, origin=origin
    )


def outcome(wire):
    answer, _ = wire.invoke(IS_SERVER_LISTENING)
    return answer.kind if answer.kind == RESPONSE else (answer.kind, answer.status)


def test_a_stranger_is_slowed_and_a_known_client_is_not(lab, credentials):
    assert outcome(log_on(lab, credentials)) == RESPONSE

    wrong = type(credentials)(credentials.domain, credentials.user, "guess")
    guessers = [log_on(lab, wrong, STRANGER) for _ in range(GUESSES)]
    # Its turn would come too late: not even the right password is looked at.
    assert outcome(log_on(lab, credentials, STRANGER)) == (FAULT, ACCESS_DENIED)
    assert "tooManyFailures" in (lab.folder / lab.nodes[0]["name"] / "log").read_text()

    assert outcome(log_on(lab, credentials)) == RESPONSE
    for guesser in guessers:
        guesser.socket.close()
