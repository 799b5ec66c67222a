"""IClusterCleanup ([MS-CSVP] 3.8): what an evicted node loses, what it keeps, and a clean-up that nothing stops."""

import json
import os
import random
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import Clients
from csvp import (
    CLSID_ClusterSetup,
    ERROR_FILE_NOT_FOUND,
    ERROR_INVALID_PARAMETER,
    S_OK,
    DiskID,
    IID_IClusterSetup,
    Setup,
    Storage3,
)
from csvp_setup import (
    CLUSTERCLEANUP_DONT_STOP_CLUSTER_SERVICE,
    CLUSTERCLEANUP_DONT_WAIT_CLUSTER_SERVICE_STOP,
    KINDS,
    WAIT_TIMEOUT,
    Certificates,
    Cleanup,
    ClusterCert,
    CLSID_ClusterCleanup,
    IID_IClusterCleanup,
)
from dcom import Credentials, Fault, new_orpcthis
from lab import binaries, wait_until

ROUNDS = int(os.environ.get("CLUSPREP_KILL_ROUNDS", "15"))


class Node:
    """One node of its own, which a test makes a member, looks at, and kills."""

    def __init__(self, daemons, disks=1):
        self.nodes = daemons(nodes=1, disks=disks)
        arguments = [os.fsdecode(word) for word in self.nodes.daemons[0].arguments]
        folder = arguments[arguments.index("--state-folder") + 1]
        self.state = Path(self.nodes.daemons[0].folder) / folder
        self.clients = None

    def start(self):
        self.nodes.start(0)
        self.clients = Clients(
            self.nodes.lab, Credentials(self.nodes.lab.domain, self.nodes.lab.user, self.nodes.lab.password)
        )
        return self

    def stop(self):
        self.clients.close()
        assert self.nodes.stop() == {0: 0}

    def kill(self):
        self.nodes.kill(0)
        for object_ in self.clients.objects:
            object_.association.abort()
        self.clients.objects.clear()

    def cleanup(self) -> Cleanup:
        return Cleanup(self.clients.activate(CLSID_ClusterCleanup, IID_IClusterCleanup).main)

    def setup(self) -> Setup:
        return Setup(self.clients.activate(CLSID_ClusterSetup, IID_IClusterSetup).main)

    def join(self):
        """Makes it a member, by the command that does: beside the daemon."""
        run("setup", "join", "blue", "--state-folder", self.state)
        setup = self.setup()
        assert setup.config_secret(b"a secret") == S_OK
        for number, kind in enumerate(KINDS):
            code = Certificates(setup).configure(ClusterCert(b"cert %d" % number, b"key", "secret"), kind)
            assert code == S_OK

    def is_member(self) -> bool:
        """As clients see it; all artefacts have to agree."""
        storage = self.clients.storage(ready=True)
        code, clustered = Storage3(storage).is_clustered()
        assert code == S_OK
        setup = self.setup()
        codes = {setup.retrieve_secret()[0]} | {Certificates(setup).retrieve(kind)[0] for kind in KINDS}
        assert codes == {S_OK if clustered else ERROR_FILE_NOT_FOUND}, f"{clustered}, but {codes}"
        self.clients.release(storage)
        return clustered

    def is_clustered(self) -> bool:
        storage = self.clients.storage(ready=True)
        result = Storage3(storage).is_clustered()[1]
        self.clients.release(storage)
        return result

    def contents(self) -> dict:
        """The whole state folder of a node that has stopped: the database by its rows, all else by its octets. What counts
        and locks, the log of what has happened, and the journal of the log's share, from which the next start learns what a
        killed node has left, are not the node's state."""
        found = {}
        for path in sorted(self.state.rglob("*")):
            name = str(path.relative_to(self.state))
            if name.startswith("events/") or name in ("daemon.lock", "log-share.json") or name.endswith(("-wal", "-shm")):
                continue
            found[name] = path.read_bytes() if path.is_file() else None
        database = sqlite3.connect(f"file:{self.state}/cluster.db?mode=ro", uri=True)
        found["cluster.db"] = database.execute("SELECT collection, name, value FROM entry ORDER BY 1, 2").fetchall()
        database.close()
        return found


@pytest.fixture
def node(daemons):
    return Node(daemons)


def run(*arguments, stdin: str = "", status: int = 0) -> str:
    done = subprocess.run(
        [binaries() / "clusprep", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


# CleanUpEvictedNode


def test_everything_of_the_membership_goes_and_nothing_else(node):
    node.start()
    assert not node.is_member()
    node.stop()
    before = node.contents()
    assert any(name == "users" for name, _, _ in before["cluster.db"])

    node.start()
    node.join()
    assert node.is_member()
    node.clients.close()
    node.stop()
    assert node.contents() != before

    node.start()
    assert node.is_member(), "across a restart"
    assert node.cleanup().clean_up() == S_OK
    assert not node.is_member()
    assert node.cleanup().clean_up() == S_OK, "idempotent"
    node.stop()
    assert node.contents() == before


def test_the_timeout_is_independent_of_the_delay(node):
    node.start()
    node.join()
    # The delay is more than the timeout: it times out, and is done afterwards all the same.
    assert node.cleanup().clean_up(delay=15_000, timeout=100) == WAIT_TIMEOUT
    assert node.is_member()
    wait_until(lambda: not node.is_clustered(), 20, "the clean-up to be done")
    assert not node.is_member()
    node.join()
    assert node.cleanup().clean_up(delay=300, timeout=20_000) == S_OK
    assert not node.is_member()
    assert node.cleanup().clean_up(delay=0, timeout=0) in (S_OK, WAIT_TIMEOUT)
    node.stop()


def test_a_client_that_vanishes_does_not_stop_it(node):
    node.start()
    node.join()
    proxy = node.cleanup().proxy
    # Only the request: the answer is not waited for.
    association = proxy.object.association
    bound = association.bind(proxy.syntax)
    bound.call(3, new_orpcthis().getData() + struct.pack("<LLL", 15_000, 60_000, 0), proxy.ipid)
    wait_until(lambda: recorded(node), 10, "the clean-up to be on record")
    association.abort()
    node.clients.objects.remove(proxy.object)
    assert node.is_member()
    wait_until(lambda: not node.is_clustered(), 20, "the clean-up to be done")
    assert not node.is_member()
    node.stop()


def recorded(node) -> bool:
    """Whether a clean-up is on stable record."""
    database = sqlite3.connect(f"file:{node.state}/cluster.db?mode=ro", uri=True)
    try:
        return bool(database.execute("SELECT 1 FROM entry WHERE name = 'clean-up'").fetchall())
    finally:
        database.close()


def test_a_restart_in_the_delay(node):
    node.start()
    node.join()
    assert node.cleanup().clean_up(delay=4000, timeout=0) == WAIT_TIMEOUT
    node.kill()
    node.start()
    wait_until(lambda: not node.is_clustered(), 20, "the clean-up to be done")
    assert not node.is_member()
    node.stop()


def test_becoming_a_member_calls_a_waiting_clean_up_off(node):
    node.start()
    assert node.cleanup().clean_up(delay=3_600_000, timeout=0) == WAIT_TIMEOUT
    assert recorded(node)
    node.join()
    assert not recorded(node)
    assert node.is_member()
    node.stop()


@pytest.mark.parametrize("flags", [4, 8, 0x80000000, 0xFFFFFFFF])
def test_flags_that_are_none(node, flags):
    node.start()
    node.join()
    assert node.cleanup().clean_up(flags=flags) == ERROR_INVALID_PARAMETER
    assert node.is_member()
    node.stop()


@pytest.mark.parametrize(
    "flags",
    [0, CLUSTERCLEANUP_DONT_STOP_CLUSTER_SERVICE, CLUSTERCLEANUP_DONT_WAIT_CLUSTER_SERVICE_STOP, 3],
)
def test_the_service_is_the_ownership_of_disks(node, flags):
    node.start()
    node.join()
    disk = DiskID.of(node.nodes.disks[0])
    owner = node.clients.storage(ready=True)
    owner.take(disk)
    assert owner.presence(disk) == (S_OK, 2)
    assert node.cleanup().clean_up(flags=flags) == S_OK
    onlooker = node.clients.storage(ready=True)
    assert onlooker.call("CprepDiskAttach", disk)[0] == S_OK
    if flags & CLUSTERCLEANUP_DONT_STOP_CLUSTER_SERVICE:
        assert onlooker.presence(disk) == (S_OK, 2)
        assert owner.raw_write(disk, 1, bytes(512))[0] == S_OK
    else:
        wait_until(lambda: onlooker.presence(disk) == (S_OK, 0), 20, "the reservation to be given back")
        code, found = Storage3(onlooker).finds(disk, 0)
        assert (code, found) == (S_OK, False), "no registration is left"
    assert not node.is_member()
    node.stop()


def test_cut_requests(node):
    node.start()
    for opnum in (3, 4):
        with pytest.raises(Fault):
            node.cleanup().proxy.call_raw((opnum, new_orpcthis().getData() + b"\0\0\0"))
    assert node.cleanup().clean_up() == S_OK
    node.stop()


@pytest.mark.timeout(120 + 60 * ROUNDS)
def test_killed_at_random_moments(node, request):
    """SIGKILL in the middle of it: the next call always completes it. CLUSPREP_KILL_ROUNDS says how often."""
    node.start()
    assert not node.is_member()
    node.stop()
    before = node.contents()
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # pytest shows it when the test fails
    moments = random.Random(seed)
    middles = 0
    # How long one takes, from the call to the answer: the moments are spread over that.
    node.start()
    node.join()
    cleanup = node.cleanup()
    began = time.monotonic()
    assert cleanup.clean_up() == S_OK
    duration = time.monotonic() - began
    node.stop()
    # The thread that kills is not to wait for the one that packs the request.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    request.addfinalizer(lambda: sys.setswitchinterval(interval))
    for number in range(ROUNDS):
        node.start()
        node.join()
        cleanup = node.cleanup()
        answers = []

        def call(cleanup=cleanup, answers=answers):
            try:
                answers.append(cleanup.clean_up())
            except Exception:
                return  # the node was killed

        caller = threading.Thread(target=call, daemon=True)
        caller.start()
        caller.join(moments.random() * 1.2 * duration)
        node.kill()
        caller.join(30)
        assert not caller.is_alive()
        assert answers in ([], [S_OK])
        middles += recorded(node)
        if answers:
            assert node.contents() == before, f"round {number}: it was acknowledged"
        node.start()
        assert node.cleanup().clean_up() == S_OK, f"round {number}"
        node.stop()
        assert node.contents() == before, f"round {number}"
    print(f"{middles} of {ROUNDS} clean-ups were on record and not complete when the node was killed")


def test_a_start_completes_it(node):
    """As above, without the next call: the daemon goes on by itself when it starts."""
    node.start()
    assert not node.is_member()
    node.stop()
    before = node.contents()
    node.start()
    node.join()
    assert node.cleanup().clean_up(delay=200, timeout=0) == WAIT_TIMEOUT
    node.kill()
    node.start()
    wait_until(lambda: not recorded(node), 20, "the record to go")
    node.stop()
    assert node.contents() == before


# ClearPR


def test_clear_pr(clients, lab, gpt):
    cleanup = Cleanup(clients.activate(CLSID_ClusterCleanup, IID_IClusterCleanup).main)
    elsewhere = clients.storage(node=1, ready=True)
    assert elsewhere.call("CprepDiskAttach", gpt)[0] == S_OK
    methods = Storage3(elsewhere)
    number = elsewhere.props(gpt)[1]["DiskNumber"]
    assert methods.register(gpt, 0, 0xABCD) == S_OK
    assert methods.reserve(gpt, 0xABCD) == S_OK
    for wrong in (len(lab.disks) + 100, 0xFFFFFFFF):
        assert cleanup.clear_pr(wrong) == ERROR_FILE_NOT_FOUND
    assert methods.finds(gpt, 0xABCD) == (S_OK, True)
    assert cleanup.clear_pr(number) == S_OK
    assert methods.finds(gpt, 0) == (S_OK, False), "nobody is registered"
    assert elsewhere.presence(gpt) == (S_OK, 0)
    assert cleanup.clear_pr(number) == S_OK, "also of a disk without any"


def test_clear_pr_of_an_owner(clients, gpt):
    owner = clients.storage(ready=True)
    owner.take(gpt)
    number = owner.props(gpt)[1]["DiskNumber"]
    assert Cleanup(clients.activate(CLSID_ClusterCleanup, IID_IClusterCleanup).main).clear_pr(number) == S_OK
    assert owner.presence(gpt) == (S_OK, 0)


# The command line


def test_the_command(node):
    node.start()
    node.join()
    # Beside the daemon it is refused: what the daemon knows would be wrong.
    run("cleanup", "--state-folder", node.state, status=1)
    lab, entry = node.nodes.lab, node.nodes.nodes[0]
    where = ("--node", entry["address"], "--port", entry["endpointMapperPort"], "--user", f"{lab.domain}\\{lab.user}")
    password = lab.password + "\n"
    answer = run("cleanup", "--delay", 3600, "--timeout", 0, "--json", *where, stdin=password, status=3)
    assert json.loads(answer) == {"action": "clean-up", "isComplete": False, "schema": 1}
    assert node.is_member()
    assert run("cleanup", *where, stdin=password) == "done\n"
    assert not node.is_member()
    run("cleanup", "--clear-disk", 0, *where, stdin=password)
    run("cleanup", "--clear-disk", 77, *where, stdin=password, status=1)
    run("cleanup", "--clear-disk", 0, status=64)
    node.stop()
    before = node.contents()
    run("setup", "join", "blue", "--state-folder", node.state)
    assert node.contents() != before
    assert json.loads(run("cleanup", "--json", "--state-folder", node.state))["isComplete"] is True
    assert node.contents() == before
