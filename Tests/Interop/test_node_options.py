"""--node, --port and --user of the commands that work on another node: where the password comes from, and what goes wrong."""

import os
import pty
import select
import socket
import subprocess
import time

import pytest
from lab import binaries

TIMEOUT = 120


def command(node, user, *more):
    return [
        str(binaries() / "clusprep"), "updates", "--count", "--node", node["address"],
        "--port", str(node["endpointMapperPort"]), "--user", user, *more,
    ]


def run(lab, octets: bytes, **changes):
    node = {**lab.nodes[0], **changes}
    finished = subprocess.run(
        command(node, f"{lab.domain}\\{lab.user}"), input=octets, capture_output=True, timeout=TIMEOUT
    )
    return finished.returncode, finished.stdout.decode(), finished.stderr.decode()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"", b"\nanother line\n"])
def test_the_first_line_of_standard_input(lab, end):
    code, said, complaint = run(lab, lab.password.encode() + end)
    assert code == 0, complaint
    assert int(said) > 0
    assert complaint == ""


@pytest.mark.parametrize("octets", [b"", b"\n"])
def test_no_password(lab, octets):
    code, said, complaint = run(lab, octets)
    assert (code, said) == (1, "")
    assert "no password" in complaint


@pytest.mark.parametrize("octets", [b"Wrong-Passw0rd\n", b" \n", b"\xff\xfe\n"])
def test_a_wrong_password(lab, octets):
    code, said, complaint = run(lab, octets)
    assert (code, said) == (1, "")
    assert complaint
    assert "Wrong-Passw0rd" not in complaint


def test_a_node_that_is_not_there(lab):
    """The message says which one."""
    with socket.socket() as free:
        free.bind((lab.nodes[0]["address"], 0))
        port = free.getsockname()[1]
    code, said, complaint = run(lab, lab.password.encode(), endpointMapperPort=port)
    assert (code, said) == (1, "")
    assert lab.nodes[0]["address"] in complaint


def test_a_person_types_unseen(lab):
    """On a terminal there is a prompt, and what is typed does not come back."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        command(lab.nodes[0], f"{lab.domain}\\{lab.user}"),
        stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, start_new_session=True,
    )
    os.close(terminal)
    seen = b""

    def read_until(text: bytes):
        nonlocal seen
        deadline = time.monotonic() + TIMEOUT
        while text not in seen:
            readable, _, _ = select.select([master], [], [], max(0, deadline - time.monotonic()))
            assert readable, f"waited in vain for {text}: {seen}"
            seen += os.read(master, 4096)

    try:
        read_until(b": ")
        assert f"Password for {lab.domain}\\{lab.user}".encode() in seen
        os.write(master, lab.password.encode() + b"\n")
        read_until(b"\n")
        said, _ = process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert process.returncode == 0
    assert int(said) > 0
    assert lab.password.encode() not in seen
