"""What a test of file sharing leaves behind where it ends without a goodbye: nothing, after the node's next start."""

import os
import signal

import pytest
from conftest import Clients
from csvp import ERROR_INVALID_STATE, S_OK
from dcom import Credentials
from lab import Lab, alive, listens, tool, wait_until
from shares import (
    ERROR_BAD_NETPATH,
    ERROR_SERVICE_DOES_NOT_EXIST,
    ERROR_SERVICE_NOT_ACTIVE,
    Shares,
    ShareTest,
    assert_gone,
    leftovers,
    read,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="smbd becomes other users, for which it has to be root")


@pytest.fixture
def own(tmp_path):
    tool("smbd", "samba")
    tool("smbclient", "smbclient")
    running = Lab(tmp_path / "lab", disks=0)
    assert all("sharePort" in node for node in running.nodes), f"the lab has no SMB servers; see {running.log}"
    clients = Clients(running, Credentials(running.domain, running.user, running.password))
    yield running, clients
    clients.close()
    for daemon in running.daemons:
        if daemon.process and daemon.process.poll() is None:
            daemon.stop()
    running.stop()


def end(lab, node, how=signal.SIGKILL):
    """Ends a node, and waits for its last thread: its sockets are open until then."""
    node = lab.nodes[node]
    os.kill(node["pid"], how)
    wait_until(lambda: not alive(node["pid"]), 30, "the node to end")
    wait_until(lambda: not listens(node["address"], node["endpointMapperPort"]), 30, "the node's port to be free")


def restart(lab, node, **environment):
    daemon = lab.daemons[node]
    daemon.environment.update(environment)
    daemon.start(lab.nodes[node], lab.log)


def test_kill(own):
    lab, clients = own
    test = ShareTest()
    assert Shares(clients).setup(test) == S_OK
    assert read(lab.nodes[0], test) == test.token
    end(lab, 0)
    assert read(lab.nodes[0], test) == test.token, "the share is smbd's, which lives"
    restart(lab, 0)
    wait_until(lambda: not leftovers(lab, lab.nodes[0]), 30, "the share to go")
    assert_gone(lab, lab.nodes[0], test)
    again = ShareTest()
    assert Shares(clients).setup(again) == S_OK
    assert read(lab.nodes[0], again) == again.token


def test_stop(own):
    lab, clients = own
    test = ShareTest()
    assert Shares(clients).setup(test) == S_OK
    assert read(lab.nodes[0], test) == test.token
    end(lab, 0, signal.SIGTERM)
    assert_gone(lab, lab.nodes[0], test)


def test_lab_is_killed(own):
    lab, _ = own
    nodes = list(lab.nodes)
    lab.process.kill()
    lab.process.wait()
    wait_until(lambda: not any(alive(node["pid"]) for node in nodes), 30, "the nodes to end")
    wait_until(lambda: not any(listens(node["address"], node["sharePort"]) for node in nodes), 30, "smbd to end")


def test_without_samba(own):
    lab, clients = own
    end(lab, 0)
    restart(lab, 0, PATH="/nowhere")
    shares = Shares(clients)
    assert shares.check() == ERROR_SERVICE_DOES_NOT_EXIST
    assert shares.setup(ShareTest()) == ERROR_SERVICE_DOES_NOT_EXIST
    assert shares.create() == (ERROR_INVALID_STATE, [])
    assert "apt-get install samba" in lab.log.read_text()


def test_smbd_stopped(own):
    lab, clients = own
    shares, test = Shares(clients), ShareTest()
    assert shares.setup(test) == S_OK
    assert Shares(clients, 1).setup(test) == S_OK
    pid = int((lab.folder / "node1" / "samba" / "data" / "smbd.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    node = lab.nodes[0]
    wait_until(lambda: not listens(node["address"], node["sharePort"]), 30, "smbd to end")
    assert shares.check() == ERROR_SERVICE_NOT_ACTIVE
    assert shares.create() == (ERROR_SERVICE_NOT_ACTIVE, [])
    other = Shares(clients, 1)
    assert other.setup(test) == S_OK
    assert other.connect_to("\\\\" + node["address"]) == ERROR_BAD_NETPATH
    shares.release()
    assert leftovers(lab, node) == []
