"""IClusterFirewall ([MS-CSVP] 3.14) by a foreign client: its state, its errors, and what it says of a host of the test's own.

What rulesets mean is in test_firewall_rulesets.py; here three of them show that what the node answers is what its tool shows.
"""

import ctypes
import json
import os
import struct
import subprocess
import uuid

import csvp_network as net
import pytest
from csvp import ERROR_INVALID_PARAMETER, S_OK, iid, string_to_bin
from dcom import new_orpcthis
from impacket.dcerpc.v5.dcomrt import DCOMCALL
from impacket.dcerpc.v5.dtypes import ULONG
from lab import binaries, tool

# 1.9
IID_IClusterFirewall = iid("F1D6C29C-8FBE-4691-8724-F6D8DEAEAFC8")
CLSID_ClusterFirewall = string_to_bin("3CFEE98C-FB4B-44C6-BD98-A1DB14ABCA3F")

E_UNEXPECTED = 0x8000FFFF
CLONE_NEWNET = 0x40000000
#: CLUSTER_NETWORK_PROFILE, 2.2.15
PROFILES = {0: "public", 1: "private", 2: "domain"}

if os.geteuid() != 0:
    pytest.skip("makes a network namespace, which takes root", allow_module_level=True)


class InitializeAdapterConfiguration(DCOMCALL):
    opnum = 3
    structure = ()


class GetNextAdapterFirewallConfiguration(DCOMCALL):
    opnum = 4
    structure = (("idx", ULONG),)


def run(*words, **how):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, **how)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def namespace():
    """The tests, and the lab they start, in a network of their own with two adapters besides loopback."""
    tool("ip", "iproute2")
    tool("nft", "nftables")
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if libc.unshare(CLONE_NEWNET) != 0:
        os.close(before)
        pytest.skip(f"no network namespaces here: {os.strerror(ctypes.get_errno())}")
    try:
        run("ip", "link", "set", "lo", "up")
        for number in (0, 1):
            run("ip", "link", "add", f"lan{number}", "type", "veth", "peer", "name", f"far{number}")
            for name in (f"lan{number}", f"far{number}"):
                run("ip", "link", "set", name, "addrgenmode", "none")
                run("ip", "link", "set", name, "up")
            run("ip", "addr", "add", f"198.51.100.{number * 128 + 1}/25", "dev", f"lan{number}")
        yield
    finally:
        libc.setns(before, CLONE_NEWNET)
        os.close(before)


@pytest.fixture
def rules():
    """A maker of rulesets: the text of nft(8) takes the place of what was there. Nothing is left."""

    def load(rules: str | None, policy: str = "accept"):
        """A base chain with these rules, behind one that lets the test itself reach the node; None for no ruleset at all."""
        text = "" if rules is None else (
            f"table inet t {{ chain i {{ type filter hook input priority 0; policy {policy}; iifname lo accept; {rules}; }}; }}"
        )
        run("nft", "-f", "-", input="flush ruleset\n" + text)

    load(None)
    yield load
    load(None)


class Firewall:
    """IClusterFirewall of one activated object; every octet of the answers is accounted for."""

    def __init__(self, proxy):
        self.proxy = proxy

    def _call(self, request, size: int) -> bytes:
        request["ORPCthis"] = new_orpcthis()
        octets = self.proxy.call_raw(request)
        # ORPCTHAT ([MS-DCOM] 2.2.13.4): flags, and no extensions
        assert struct.unpack_from("<II", octets) == (0, 0)
        assert len(octets) == 8 + size
        return octets[8:]

    def initialize(self) -> tuple[int, int]:
        count, code = struct.unpack("<II", self._call(InitializeAdapterConfiguration(), 8))
        return code, count

    def next(self, index: int) -> tuple[int, dict]:
        request = GetNextAdapterFirewallConfiguration()
        request["idx"] = index
        # GUID, a 16-bit enumeration, three octets, three octets of padding, the HRESULT
        octets = self._call(request, 28)
        guid, profile, *groups = struct.unpack_from("<16sHBBB", octets)
        (code,) = struct.unpack_from("<I", octets, 24)
        names = ("server", "management", "common")
        return code, {
            "id": str(uuid.UUID(bytes_le=guid)),
            "profile": profile,
            **{name: value != 0 for name, value in zip(names, groups)},
        }


@pytest.fixture
def firewall(clients, survives):
    return Firewall(clients.activate(CLSID_ClusterFirewall, IID_IClusterFirewall).main)


def shown(*words: str) -> list[dict]:
    done = subprocess.run(
        [str(binaries() / "clusprep"), "firewall", "show", "--json", *words], capture_output=True, text=True, timeout=300
    )
    assert done.returncode in (0, 2), done.stderr
    return json.loads(done.stdout)["adapters"]


def test_nothing_before_it_is_initialized(firewall):
    for index in (0, 1, 0xFFFFFFFF):
        assert firewall.next(index)[0] == E_UNEXPECTED


def test_indices(firewall, rules):
    code, count = firewall.initialize()
    assert code == S_OK and count == 4, "two pairs of adapters, and loopback is none"
    answers = [firewall.next(index) for index in range(count)]
    assert all(code == S_OK for code, _ in answers)
    assert len({answer["id"] for _, answer in answers}) == count
    for index in (count, count + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        assert firewall.next(index)[0] == ERROR_INVALID_PARAMETER
    # "Next" is a name: the index counts, in any order and again.
    for index in (3, 0, 0, 2, 1):
        assert firewall.next(index) == answers[index]


def test_a_snapshot_stays_what_it_was(firewall, clients, rules):
    _, count = firewall.initialize()
    before = [firewall.next(index)[1] for index in range(count)]
    assert all(answer["server"] for answer in before)
    rules("counter", policy="drop")
    assert [firewall.next(index)[1] for index in range(count)] == before
    other = Firewall(clients.activate(CLSID_ClusterFirewall, IID_IClusterFirewall).main)
    assert other.next(0)[0] == E_UNEXPECTED, "state belongs to the activation"
    assert firewall.initialize() == (S_OK, count)
    assert not any(firewall.next(index)[1]["server"] for index in range(count))


def test_adapters_that_come_and_go(firewall, rules):
    _, count = firewall.initialize()
    run("ip", "link", "add", "more0", "type", "veth", "peer", "name", "more1")
    try:
        assert firewall.next(count)[0] == ERROR_INVALID_PARAMETER
        assert firewall.initialize() == (S_OK, count + 2)
        assert firewall.next(count + 1)[0] == S_OK
    finally:
        run("ip", "link", "del", "more0")
    assert firewall.next(count + 1)[0] == S_OK, "it is a snapshot"
    assert firewall.initialize() == (S_OK, count)
    assert firewall.next(count)[0] == ERROR_INVALID_PARAMETER


@pytest.mark.parametrize(
    "text, policy",
    [
        (None, "accept"),
        ("iifname lan0 accept", "drop"),
        ('iifname "lan1" tcp dport 445 drop', "accept"),
        ("tcp dport 135 meta length > 60000 drop", "accept"),
    ],
    ids=["nothing", "one-adapter", "one-port", "not-evaluated"],
)
def test_the_node_says_what_its_tool_shows(firewall, rules, lab, text, policy):
    rules(text, policy)
    _, count = firewall.initialize()
    answers = {answer["id"].upper(): answer for _, answer in (firewall.next(index) for index in range(count))}
    tool_says = {adapter["id"].upper(): adapter for adapter in shown()}
    assert answers.keys() == tool_says.keys()
    for name, answer in answers.items():
        assert PROFILES[answer["profile"]] == tool_says[name]["profile"]
        for group in ("server", "common"):
            assert answer[group] == tool_says[name][group], (tool_says[name]["name"], group)


def test_over_the_network(lab, rules):
    """`clusprep firewall show --node`, against the node on this host."""
    node = lab.nodes[0]
    words = [str(binaries() / "clusprep"), "firewall", "show", "--json", "--node", node["address"],
             "--port", str(node["endpointMapperPort"]), "--user", f"{lab.domain}\\{lab.user}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, input=lab.password + "\n")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["adapters"]
    assert {adapter["id"].upper() for adapter in told} == {adapter["id"].upper() for adapter in shown()}


def test_query_firewall_configuration(clients, rules):
    """IClusterNetwork2's question (3.6.4.5) is about all adapters at once."""
    network = net.Network(clients.activate(net.CLSID_ClusterNetwork2, net.IID_IClusterNetwork2).main)
    for text, policy, server, management in [
        (None, "accept", True, True),
        ("iifname lan1 tcp dport 445 drop", "accept", False, True),
        ("iifname lan1 tcp dport > 1023 tcp dport != 3343 drop", "accept", True, False),
        ("counter", "drop", False, False),
    ]:
        rules(text, policy)
        code, *groups = network.firewall()
        assert code == S_OK and [group != 0 for group in groups] == [server, management], text
