"""The examples of the library's articles, as their readers would run them, and called by a foreign client."""

import struct
import subprocess
import uuid

import pytest
from impacket.dcerpc.v5 import rpcrt, transport
from impacket.uuid import uuidtup_to_bin
from lab import binaries

HOSTLOAD = uuidtup_to_bin(("4f1e1c6e-6d0c-4c3a-9a0f-0d6f4b9d7c11", "1.0"))
PASSWORD = "a secret of this test"


def run(name, *arguments, answers="", folder=None):
    return subprocess.run(
        [binaries() / name, *map(str, arguments)], input=answers, cwd=folder, capture_output=True, text=True, timeout=300
    )


def test_a_first_call(lab, node):
    done = run(
        "FirstCall", node["address"], node["endpointMapperPort"], lab.domain, lab.user, answers=lab.password + "\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"The node calls itself {node['name']}.\n", "")


@pytest.mark.parametrize("name", ["FirstCall", "ValidateCluster"])
def test_who_says_nothing_is_told_what_to_say(name):
    done = run(name)
    assert done.returncode == 64 and done.stderr.startswith(f"usage: {name} ")


def test_a_validation_from_code(lab, tmp_path):
    ports = {node["endpointMapperPort"] for node in lab.nodes}
    assert len(ports) == 1, "the example takes one port for all nodes"
    done = run(
        "ValidateCluster", lab.domain, lab.user, *ports, *(node["address"] for node in lab.nodes),
        answers=lab.password + "\n", folder=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed: Validate SCSI-3 Persistent Reservation" in done.stdout
    assert "Validate SCSI-3 Persistent Reservation" in (tmp_path / "cluster.html").read_text()


def test_an_interface_of_ones_own_called_by_its_own_client():
    done = run("OwnInterface")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("load ") and len(lines[0].split()) == 4
    assert "proc at /proc" in lines


@pytest.fixture
def example():
    """The example's server, which listens until its input ends."""
    with subprocess.Popen(
        [binaries() / "OwnInterface", "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        server.stdin.write(PASSWORD + "\n")
        server.stdin.flush()
        # "listening on 127.0.0.1:4711"
        port = int(server.stdout.readline().rsplit(":", 1)[1].split()[0])
        yield port
        server.stdin.close()
        assert server.wait(20) == 0


def bound(port, level):
    connection = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:127.0.0.1[{port}]")
    connection.set_credentials("example", PASSWORD, "EXAMPLE")
    dce = connection.get_dce_rpc()
    dce.set_auth_level(level)
    dce.connect()
    dce.bind(HOSTLOAD)
    return dce


def test_an_interface_of_ones_own_called_by_impacket(example):
    dce = bound(example, rpcrt.RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
    dce.call(0, b"")
    *load, status = struct.unpack("<4I", dce.recv())
    assert status == 0 and all(0 <= value < 1_000_000 for value in load)
    # A string of "proc": maximum, offset and actual count, and its terminator.
    dce.call(1, struct.pack("<3I", 5, 0, 5) + "proc\0".encode("utf-16-le"))
    answer = dce.recv()
    assert struct.unpack("<I", answer[-4:])[0] == 0
    assert "/proc\0".encode("utf-16-le") in answer
    # What the server does not take: a comma in the name of a file system. ERROR_INVALID_PARAMETER, no array.
    dce.call(1, struct.pack("<3I", 2, 0, 2) + ",\0".encode("utf-16-le"))
    assert struct.unpack("<3I", dce.recv()) == (0, 0, 87)
    dce.disconnect()


def test_who_does_not_seal_is_refused(example):
    dce = bound(example, rpcrt.RPC_C_AUTHN_LEVEL_PKT_INTEGRITY)
    with pytest.raises(rpcrt.DCERPCException, match="access_denied"):
        dce.call(0, b"")
        dce.recv()
    dce.disconnect()


def test_an_interface_that_the_server_does_not_have(example):
    connection = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:127.0.0.1[{example}]")
    dce = connection.get_dce_rpc()
    dce.connect()
    with pytest.raises(rpcrt.DCERPCException, match="abstract_syntax_not_supported"):
        dce.bind(uuidtup_to_bin((str(uuid.uuid4()), "1.0")))
    dce.disconnect()
