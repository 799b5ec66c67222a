"""The verdicts of `clusprep firewall show` about real rulesets, each against real connections through a veth pair.

One namespace holds the host with the ruleset, one its neighbour, who connects to every port of every group at each of the
host's addresses. A file's comments may say what it takes besides:

    # probe: PORT…        ports of the dynamic range to ask for, besides the usual ones
    # uncertain: GROUP…   the group is let in, but the verdict cannot know: it says no and names why; "nothing" where it says
                          no for groups that are indeed refused
    # stricter: GROUP…    this neighbour is let in, but others of its network are not: the verdict says no
    # profile: NAME       the profile to be told
    # families: ipv4      rules of iptables that ip6tables does not have
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lab import binaries, tool

RULESETS = Path(__file__).with_name("firewall")
PEER = Path(__file__).with_name("firewall_peer.py")
FILES = sorted(path for path in RULESETS.iterdir() if path.suffix in (".nft", ".rules"))
GROUPS = {
    "server": ["3343/udp", "3343/tcp", "445/tcp"],
    "management": [],  # and the ports of the dynamic range
    "common": ["135/tcp", "echo"],
}
#: Its ends, its middle, and what rulesets here begin or end with.
DYNAMIC = [49152, 49999, 50000, 57344, 60000, 65535]
HOST, NEIGHBOUR = f"clusprep-host-{os.getpid()}", f"clusprep-peer-{os.getpid()}"

if os.geteuid() != 0:
    pytest.skip("makes network namespaces, which takes root", allow_module_level=True)


def run(*words, **how):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, **how)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def inside(namespace, *words, **how):
    return run("ip", "netns", "exec", namespace, *words, **how)


@pytest.fixture(scope="module")
def network():
    """Two hosts on a wire, and the addresses of the first as the second one reaches them."""
    tool("ip", "iproute2")
    tool("nft", "nftables")
    made = subprocess.run(["ip", "netns", "add", HOST], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no network namespaces here (a container may need CAP_SYS_ADMIN): {made.stderr.strip()}")
    try:
        run("ip", "netns", "add", NEIGHBOUR)
        for namespace in (HOST, NEIGHBOUR):
            # Addresses are to be there at once.
            inside(namespace, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
            inside(namespace, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
            inside(namespace, "ip", "link", "set", "lo", "up")
        inside(HOST, "ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan0", "netns", NEIGHBOUR)
        for namespace, number in ((HOST, 1), (NEIGHBOUR, 2)):
            inside(namespace, "ip", "addr", "add", f"198.51.100.{number}/24", "dev", "lan0")
            inside(namespace, "ip", "addr", "add", f"2001:db8::{number}/64", "dev", "lan0", "nodad")
            inside(namespace, "ip", "addr", "add", f"fe80::{number}/64", "dev", "lan0", "nodad")
            inside(namespace, "ip", "link", "set", "lan0", "addrgenmode", "none")
            inside(namespace, "ip", "link", "set", "lan0", "up")
        yield ["198.51.100.1", "2001:db8::1", "fe80::1%lan0"]
    finally:
        for namespace in (HOST, NEIGHBOUR):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)


@pytest.fixture(scope="module")
def host(network):
    """Somebody listens at every port, as long as the namespace is there."""
    server = subprocess.Popen(
        ["ip", "netns", "exec", HOST, sys.executable, PEER, "serve", "135", "445", "3343", *map(str, DYNAMIC)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "ADDRESSES": " ".join(network)},
    )
    assert server.stdout.readline() == b"ready\n"
    yield network
    server.stdin.close()
    server.wait(10)
    server.stdout.close()


def notes(path: Path) -> dict[str, list[str]]:
    found = re.findall(r"^# (probe|uncertain|stricter|profile|families): (.*)$", path.read_text(), re.M)
    return {name: words.split() for name, words in found}


def load(path: Path):
    inside(HOST, "nft", "flush", "ruleset")
    if path.suffix == ".nft":
        inside(HOST, "nft", "-f", path)
    else:
        for program in ["iptables-nft-restore", "ip6tables-nft-restore"]:
            tool(program, "iptables")
            if program == "iptables-nft-restore" or "families" not in notes(path):
                inside(HOST, program, input=path.read_text())
    for namespace in (HOST, NEIGHBOUR):
        # Who has once been found out would be reached without asking.
        inside(namespace, "ip", "neigh", "flush", "all")


def verdict() -> dict:
    words = ["ip", "netns", "exec", HOST, binaries() / "clusprep", "firewall", "show", "--json"]
    shown = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)
    assert shown.returncode in (0, 2), shown.stderr
    adapters = json.loads(shown.stdout)["adapters"]
    assert [adapter["name"] for adapter in adapters] == ["lan0"]
    assert (shown.returncode == 0) == all(adapters[0][group] for group in GROUPS)
    return adapters[0]


def passes(addresses, ports) -> dict[str, bool]:
    """Whether each group's traffic really passes, at every address."""
    asked = inside(
        NEIGHBOUR, sys.executable, PEER, "ask", *addresses, "--", 135, 445, 3343, *ports
    )
    answers = json.loads(asked)
    services = {**GROUPS, "management": [f"{port}/tcp" for port in ports]}
    return {
        group: all(answers[address][service] for address in addresses for service in names)
        for group, names in services.items()
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_verdicts_are_what_happens(host, path):
    load(path)
    said = notes(path)
    real = passes(host, sorted({*DYNAMIC, *map(int, said.get("probe", []))}))
    told = verdict()
    assert told["profile"] == said.get("profile", ["private"])[0]
    excused = said.get("uncertain", []) + said.get("stricter", [])
    for group in GROUPS:
        if group in excused:
            assert real[group] and not told[group], f"{group}: the file's note is out of date"
        else:
            assert told[group] == real[group], f"{group}: {told}"
    assert bool(told["unevaluated"]) == ("uncertain" in said), told["unevaluated"]
    refused = [group for group in GROUPS if not told[group]]
    assert bool(refused) == bool(told["refusals"] + told["unevaluated"]), "a refusal has its reason"


def test_there_are_enough_rulesets():
    assert len(FILES) >= 40


def test_a_table_of_ours_comes_and_goes(host):
    """`open` twice is as good as once, `close` takes away what `open` made and nothing else, and twice does no harm."""
    load(RULESETS / "05-established-only.nft")
    clusprep = binaries() / "clusprep"
    words = [str(word) for word in ("ip", "netns", "exec", HOST, clusprep, "firewall")]
    before = inside(HOST, "nft", "list", "ruleset")
    # Another table drops the traffic, and the answer says so.
    opened = subprocess.run([*words, "open"], capture_output=True, text=True)
    assert opened.returncode == 2 and "chain input of table inet filter" in opened.stdout, opened
    once = inside(HOST, "nft", "list", "ruleset")
    assert "table inet clusprep" in once
    assert subprocess.run([*words, "open"], capture_output=True).returncode == 2
    assert inside(HOST, "nft", "list", "ruleset") == once
    for _ in range(2):
        closed = subprocess.run([*words, "close"], capture_output=True, text=True)
        assert closed.returncode == 0, closed.stderr
        assert inside(HOST, "nft", "list", "ruleset") == before


def test_a_table_of_ours_on_an_open_host(host):
    load(RULESETS / "01-no-rules.nft")
    words = [str(word) for word in ("ip", "netns", "exec", HOST, binaries() / "clusprep", "firewall")]
    opened = subprocess.run([*words, "open", "--interface", "lan0"], capture_output=True, text=True)
    assert opened.returncode == 0, opened
    assert verdict()["server"] and all(passes(host, DYNAMIC).values())
    for name in ["a b", 'x"', "sixteen-letters-", ""]:
        wrong = subprocess.run([*words, "open", "--interface", name], capture_output=True, text=True)
        assert wrong.returncode == 1 and "is no adapter's name" in wrong.stderr, wrong
    assert subprocess.run([*words, "close"]).returncode == 0
    assert inside(HOST, "nft", "list", "ruleset") == ""


def test_without_the_right_to_read(host):
    """Who may not read the ruleset is told so, and nothing is claimed."""
    tool("setpriv", "util-linux")
    words = ["ip", "netns", "exec", HOST, "setpriv", "--reuid", "65534", "--clear-groups", "--bounding-set=-all",
             "--inh-caps=-all", str(binaries() / "clusprep"), "firewall", "show"]
    shown = subprocess.run(words, capture_output=True, text=True)
    assert shown.returncode == 1 and "CAP_NET_ADMIN" in shown.stderr, shown
