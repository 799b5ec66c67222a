"""File sharing between two nodes, [MS-CSVP] 3.4.4.2, 3.4.4.3, 3.4.4.5, 3.4.4.6 and 3.5.4.7."""

import os
import uuid

import pytest
from csvp import ERROR_INVALID_SERVER_STATE, ERROR_INVALID_STATE, S_OK
from impacket.smbconnection import SessionError, SMBConnection
from lab import tool
from shares import (
    E_INVALIDARG,
    ERROR_ACCESS_DENIED,
    ERROR_BAD_NETPATH,
    ERROR_BUSY,
    STATUS_LOGON_FAILURE,
    Shares,
    ShareTest,
    assert_gone,
    hkdf,
    read,
    smbclient,
    wide,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="smbd becomes other users, for which it has to be root")


@pytest.fixture(autouse=True)
def samba(lab):
    tool("smbd", "samba")
    tool("smbclient", "smbclient")
    if any("sharePort" not in node for node in lab.nodes):
        pytest.fail(f"the lab has no SMB servers; see {lab.log}")


def test_two_nodes(lab, clients, survives):
    """3.5.4.7: setup on both, addresses from one, a connection from the other; in both directions."""
    test = ShareTest("from the client")
    nodes = [Shares(clients, index) for index in range(2)]
    for shares in nodes:
        assert shares.check() == S_OK
        assert shares.setup(test) == S_OK
    for server, client in ((0, 1), (1, 0)):
        code, paths = nodes[server].create()
        assert (code, paths) == (S_OK, ["\\\\" + lab.nodes[server]["address"]])
        assert nodes[client].connect_to(*paths) == S_OK
        # One that leads there is enough, and so is one that comes last.
        assert nodes[client].connect_to("\\\\127.0.0.99", "\\\\[fe80::1%7]", *paths) == S_OK
    for node in lab.nodes:
        assert read(node, test) == test.token
        listing = smbclient(node, test, "ls")
        assert "clusprep.txt" in listing.stdout, listing
        assert "NT_STATUS_ACCESS_DENIED" in smbclient(node, test, "put /etc/hostname stranger").stdout
    nodes[0].release()
    assert_gone(lab, lab.nodes[0], test)
    assert read(lab.nodes[1], test) == test.token
    assert nodes[1].connect_to("\\\\" + lab.nodes[0]["address"]) == ERROR_ACCESS_DENIED
    nodes[1].release()
    assert_gone(lab, lab.nodes[1], test)


def test_strangers(lab, clients):
    """Neither another password, nor no name at all, nor another test's secret opens a share."""
    test = ShareTest("secret")
    shares = Shares(clients)
    assert shares.setup(test) == S_OK
    other = ShareTest()
    other.id = test.id
    for password in ("wrong", hkdf(test.id.bytes_le, b"password", 16)):
        with pytest.raises(SessionError) as error:
            read(lab.nodes[0], test, password)
        assert error.value.getErrorCode() == STATUS_LOGON_FAILURE
    anonymous = SMBConnection(lab.nodes[0]["name"], lab.nodes[0]["address"], sess_port=lab.nodes[0]["sharePort"])
    with pytest.raises(SessionError):
        anonymous.login("", "")
        anonymous.connectTree(test.name)
    anonymous.close()
    client = Shares(clients, 1)
    assert client.setup(other) == S_OK
    assert client.connect_to("\\\\" + lab.nodes[0]["address"]) == ERROR_ACCESS_DENIED


def test_order_of_calls(clients, survives):
    """ClusterFileShareTestSetupState and Prepare State, 3.4.1 and 3.4.4."""
    fresh = Shares(clients, ready=False)
    assert fresh.check() == ERROR_INVALID_SERVER_STATE
    assert fresh.setup(ShareTest()) == ERROR_INVALID_SERVER_STATE
    assert fresh.create() == (ERROR_INVALID_SERVER_STATE, [])
    assert fresh.connect_to("\\\\127.0.0.1") == ERROR_INVALID_SERVER_STATE
    fresh.storage.ready()
    assert fresh.check() == S_OK
    assert fresh.create() == (ERROR_INVALID_STATE, [])
    assert fresh.connect_to("\\\\127.0.0.1") == ERROR_INVALID_STATE
    assert fresh.setup(ShareTest()) == S_OK
    assert fresh.create()[0] == S_OK


def test_one_test_at_a_time(lab, clients):
    first, second = Shares(clients), Shares(clients)
    test, other = ShareTest(), ShareTest()
    assert first.setup(test) == S_OK
    assert second.setup(other) == ERROR_BUSY
    assert second.create() == (ERROR_INVALID_STATE, [])
    # The same test is no other: both have the share, and the last one's end removes it.
    assert second.setup(test) == S_OK
    first.release()
    assert read(lab.nodes[0], test) == test.token
    # The same object may go on to another test.
    assert second.setup(other) == S_OK
    with pytest.raises(SessionError):
        read(lab.nodes[0], test)
    assert read(lab.nodes[0], other) == other.token
    second.release()
    assert_gone(lab, lab.nodes[0], other)


def test_hostile_paths(lab, clients, survives):
    """Only `\\\\<IPv4>` and `\\\\[<IPv6>]` lead anywhere; no name is looked up, no other port knocked at."""
    shares = Shares(clients)
    assert shares.setup(ShareTest()) == S_OK
    good = "\\\\" + lab.nodes[0]["address"]
    for bad in (
        "", "\\\\", "localhost", "\\\\localhost", "\\\\node2.lab.test", "//127.0.0.1",
        good + ":22", good + "\\IPC$", good + "\\",
        "\\\\0.0.0.0",
        "\\\\255.255.255.255", "\\\\224.0.0.1", "\\\\2130706433", "\\\\0x7f000001", "\\\\127.1", "\\\\[::]",
        "\\\\[127.0.0.1]", "\\\\::1", "\\\\[::1]:22", "\\\\127.0.0.1 ", "\\\\" + "1" * 30_000, "\\\\127.0.0.1\n",
    ):
        assert shares.connect_to(bad) == E_INVALIDARG, bad[:40]
        assert shares.connect_to(good, bad) == E_INVALIDARG, bad[:40]
    assert shares.connect([]) == E_INVALIDARG
    assert shares.connect([None]) == E_INVALIDARG
    assert shares.connect([wide(good), None]) == E_INVALIDARG
    assert shares.connect([wide(good)] * 64) == S_OK
    assert shares.connect([wide(good)] * 65) == E_INVALIDARG
    assert shares.connect([wide(good)] * 1000) == E_INVALIDARG
    assert shares.connect_to("\\\\[fe80::1]") == ERROR_BAD_NETPATH
    assert shares.connect([b"\x5c\x00\x5c\x00\x00\xd8\x00\x00"]) == E_INVALIDARG
    # A NUL inside is either malformed or no address, but never the end of one.
    try:
        assert shares.connect([(good + "\0.example.com\0").encode("utf-16-le")]) == E_INVALIDARG
    except Exception as error:
        assert "fault" in str(error).lower() or "0x" in str(error).lower(), error
    fresh = Shares(clients)
    nil = ShareTest()
    nil.id = uuid.UUID(int=0)
    assert fresh.setup(nil) == E_INVALIDARG
    assert fresh.setup(ShareTest("x" * 1025)) == E_INVALIDARG
