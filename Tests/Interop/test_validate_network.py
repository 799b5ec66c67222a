"""`clusprep validate` of two hosts with networks between them: what is wrong with a network is said of that network."""

import json
import socket
import subprocess

import json_schema
import pytest
import report_looks
from browser import Browser
from lab import REPOSITORY, Daemons, binaries
from namespaces import NETWORKS, Hosts

ADDRESSES = [NETWORKS[0].address(host, socket.AF_INET) for host in range(2)]
OTHERS = [NETWORKS[1].address(host, socket.AF_INET) for host in range(2)]


class Site:
    """The two hosts with a node on each, which listens on all addresses."""

    def __init__(self, folder):
        self.hosts = Hosts()
        self.nodes = None
        try:
            with self.hosts.inside(0):
                self.nodes = Daemons(folder, nodes=2, disks=1, listen="0.0.0.0")
            for number in range(2):
                with self.hosts.inside(number):
                    self.nodes.start(number)
        except BaseException:
            self.remove()
            raise

    def remove(self):
        if self.nodes:
            self.nodes.stop()
        self.hosts.remove()

    def validate(self, folder, *tests: str, status: int = 0) -> dict[str, dict]:
        """The results of these tests, or categories of tests, from the first host."""
        lab, document = self.nodes.lab, folder / "result.json"
        with self.hosts.inside(0):
            done = subprocess.run(
                [
                    binaries() / "clusprep", "validate", *ADDRESSES, "--user", f"{lab.domain}\\{lab.user}",
                    "--html", folder / "report.html", "--json", document, "--include", *tests,
                ],
                input=lab.password + "\n", capture_output=True, text=True, timeout=120,
            )
        assert done.returncode == status, done.stdout + done.stderr
        result = json.loads(document.read_text())
        json_schema.check(result, REPOSITORY / "docs" / "validation.schema.json")
        return {test["id"]: test for test in result["tests"] if test["verdict"] != "excluded"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("validate") / "site")
    yield made
    made.remove()


@pytest.fixture(autouse=True)
def whole(site):
    yield
    site.hosts.filter(1)


def findings(test: dict, severity: str) -> list[str]:
    return [f"{finding['subject']}: {finding['text']}" for finding in test["findings"] if finding["severity"] == severity]


def test_hosts_without_fault(site, tmp_path):
    # Listing what is installed takes a host its time, and is the same for all hosts here.
    tests = site.validate(
        tmp_path, "list-operating-system", "list-network-adapters", "network", "operating-system-versions", "cluster-configuration"
    )
    assert {name: test["verdict"] for name, test in tests.items() if test["verdict"] != "passed"} == {}
    loss, times = tests["network-communication"]["charts"]
    # Two networks with two families each, in both directions.
    assert [bar["value"] for bar in loss["bars"]] == [0] * 8
    assert len(times["bars"]) == 8
    (table,) = tests["cluster-network-configuration"]["tables"]
    assert [row[0] for row in table["rows"]] == ["198.51.100.0/24", "2001:db8:1::/64", "2001:db8:2::/64", "203.0.113.0/24"]
    calls = {step["call"]["name"] for test in tests.values() for step in test["steps"] if "call" in step}
    assert {
        "InitializeNode", "GetIpConfigSerialized", "QueryFirewallConfiguration", "ProcessAddRoutes", "GetAddRoutesStatus",
        "SendRTMessage", "GetNextAdapterFirewallConfiguration", "RetrieveHostLabel", "GetFunctionalLevel", "GetUpgradeVersion",
        "CprepIsNodeClustered3",
    } <= calls
    # Tables for each node, and charts of the routes.
    browser = Browser(tmp_path / "browser")
    try:
        for screen in ("desktop", "phone"):
            report_looks.check(browser, tmp_path / "report.html", "nodes", screen, "light")
    finally:
        browser.close()


def test_a_route_that_is_cut_and_one_that_loses(site, tmp_path):
    site.hosts.filter(
        1, f"ip daddr {OTHERS[1]} drop", f"ip daddr {ADDRESSES[1]} udp dport 3343 numgen inc mod 4 0 drop",
    )
    tests = site.validate(tmp_path, "network-communication", status=1)
    test = tests["network-communication"]
    cut = f"{ADDRESSES[0]} {OTHERS[0]} to {ADDRESSES[1]} {OTHERS[1]}"
    assert f"{cut}: No message got through by this route; others between the two nodes work." in findings(test, "warning")
    (lossy,) = findings(test, "error")
    assert lossy.startswith(f"{ADDRESSES[0]} {ADDRESSES[0]} to {ADDRESSES[1]} {ADDRESSES[1]}: ")
    loss = {bar["label"]: bar.get("value") for bar in test["charts"][0]["bars"]}
    assert loss[cut] == 100
    assert 10 <= loss[f"{ADDRESSES[0]} {ADDRESSES[0]} to {ADDRESSES[1]} {ADDRESSES[1]}"] <= 40


def test_a_firewall_that_keeps_the_nodes_apart(site, tmp_path):
    site.hosts.filter(1, "udp dport 3343 drop", "icmp type echo-request drop", "icmpv6 type echo-request drop")
    tests = site.validate(tmp_path, "network-communication", "firewall-configuration", status=1)
    (apart,) = findings(tests["network-communication"], "error")
    assert apart.startswith(f"{ADDRESSES[0]} to {ADDRESSES[1]}: No message got through: ")
    (closed,) = findings(tests["firewall-configuration"], "error")
    assert closed == f"{ADDRESSES[1]}: The firewall keeps cluster traffic out at every adapter (net0, net1)."


def test_addresses_that_contradict_each_other(site, tmp_path):
    for host in range(2):
        site.hosts.within(host, "ip", "addr", "add", "192.0.2.77/24", "dev", NETWORKS[1].device)
    site.hosts.within(1, "ip", "addr", "add", "198.51.100.99/24", "dev", NETWORKS[1].device)
    try:
        tests = site.validate(tmp_path, "ip-configuration", status=1)
    finally:
        for host in range(2):
            site.hosts.within(host, "ip", "addr", "del", "192.0.2.77/24", "dev", NETWORKS[1].device)
        site.hosts.within(1, "ip", "addr", "del", "198.51.100.99/24", "dev", NETWORKS[1].device)
    both = ", ".join(ADDRESSES)
    assert findings(tests["ip-configuration"], "error") == [f"{both}: They have the same address, 192.0.2.77."]
    assert findings(tests["ip-configuration"], "warning") == [
        f"{ADDRESSES[1]}: net0 and net1 are in one network, 198.51.100.0/24."
    ]


def test_a_network_that_is_down(site, tmp_path):
    site.hosts.link(1, NETWORKS[1], up=False)
    try:
        tests = site.validate(tmp_path, "cluster-network-configuration")
    finally:
        site.hosts.link(1, NETWORKS[1], up=True)
    assert findings(tests["cluster-network-configuration"], "warning") == [
        "198.51.100.0/24: It is the only network that all nodes are in: a single point of failure."
    ]
