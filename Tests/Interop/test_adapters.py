"""The network adapters a node tells of, beside what `ip` and `ethtool` say of the same network namespace.

The namespace is the tests' own: this thread leaves the host's for the time of the file, and the lab's nodes are its
children. The links in it are those that the running kernel can make; tunnels and VLANs need modules that small kernels do
not have.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys

import adapterlist
import csvp_network
import pytest
from adapterlist import IF_TYPE_ETHERNET_CSMACD, IF_TYPE_SOFTWARE_LOOPBACK, IF_TYPE_TUNNEL
from csvp_network import Network
from dcom import Credentials, activate
from lab import Lab, binaries, wait_until

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="making a network namespace needs root"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="`ip` is missing: install iproute2"),
]

#: What every Linux that runs containers can make: two pairs that are up, one end that is down, a bridge.
LINKS = """
link set lo up
link add lan0 type veth peer name lan0peer
link add san0 type veth peer name san0peer
link add idle0 type veth peer name idle0peer
link add br0 type bridge
link set lan0 address 02:00:5e:00:0a:ff
link set lan0 alias "the office's network"
link set dev lan0 up
link set dev lan0peer up
link set dev san0 up mtu 9000
link set dev san0peer up
link set dev idle0 up
address add 192.0.2.7/24 dev lan0
address add 192.0.2.8/25 dev lan0
address add 2001:db8::7/64 dev lan0 nodad
address add 198.51.100.7/28 dev san0
address add 203.0.113.1 peer 203.0.113.2/32 dev san0peer
route add default via 192.0.2.2 metric 200
route add default via 192.0.2.1 metric 100
route add default via 198.51.100.1 table 7
route add 203.0.113.128/25 via 192.0.2.3
route add blackhole 203.0.113.64/26
route add default via 2001:db8::1 dev lan0
"""

#: What a kernel may be without; each line by itself, with the IANA types its link is to have.
OPTIONAL = {
    "link add name vlan0 link lan0 type vlan id 5": (6, 0),
    "link add bond0 type bond": (6, 0),
    "link add dummy0 type dummy": (6, 0),
    "link add name mac0 link lan0 type macvlan": (6, 0),
    "tuntap add tap0 mode tap": (6, 0),
    "tuntap add tun0 mode tun": (IF_TYPE_TUNNEL, 0),
    "link add vxlan0 type vxlan id 5 dstport 4789 remote 192.0.2.9": (IF_TYPE_TUNNEL, 8),
    "link add geneve0 type geneve id 5 remote 192.0.2.9": (IF_TYPE_TUNNEL, 8),
    "link add wg0 type wireguard": (IF_TYPE_TUNNEL, 8),
    "link add gre1 type gre remote 192.0.2.9 local 192.0.2.7": (IF_TYPE_TUNNEL, 3),
    "link add gretap1 type gretap remote 192.0.2.9 local 192.0.2.7": (IF_TYPE_TUNNEL, 3),
    "link add ipip1 type ipip remote 192.0.2.9 local 192.0.2.7": (IF_TYPE_TUNNEL, 2),
    "link add sit1 type sit remote 192.0.2.9 local 192.0.2.7": (IF_TYPE_TUNNEL, 2),
    "link add sit2 type sit local 192.0.2.7 mode any": (IF_TYPE_TUNNEL, 11),
}


def ip(*arguments: str, **how):
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, **how).stdout


def ip_json(*arguments: str) -> list[dict]:
    return json.loads(ip("-j", *arguments) or "[]")


@pytest.fixture(scope="module", autouse=True)
def own_network():
    """A network namespace for this thread and its children, and the links in it; gone with the last of them."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        yield {}
        return
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if LIBC.unshare(CLONE_NEWNET) != 0:
        os.close(before)
        pytest.skip("this kernel or container lets nobody make a network namespace")
    try:
        ip("-batch", "-", input=LINKS)
        made = {}
        for command, types in OPTIONAL.items():
            with contextlib.suppress(subprocess.CalledProcessError):
                ip(*command.split())
                made[re.search(r"add (?:name )?(\w+)", command)[1]] = types
        wait_until(lambda: not ip("-6", "address", "show", "tentative"), 10, "duplicate address detection")
        yield made
    finally:
        assert LIBC.setns(before, CLONE_NEWNET) == 0
        os.close(before)


@pytest.fixture(scope="module")
def lab(own_network, tmp_path_factory):
    running = Lab(tmp_path_factory.mktemp("adapters") / "shared", nodes=1, disks=1)
    yield running
    assert running.stop() == 0


@pytest.fixture
def network(lab):
    with opened(lab) as client:
        yield client


@contextlib.contextmanager
def opened(lab):
    credentials = Credentials(lab.domain, lab.user, lab.password)
    object_ = activate(
        lab.nodes[0], credentials, csvp_network.CLSID_ClusterNetwork2, csvp_network.IID_IClusterNetwork2
    )
    try:
        yield Network(object_.main)
    finally:
        object_.release()
        object_.close()


def told(network, apply_filter: int = 0) -> adapterlist.AdapterList:
    code, octets = network.adapters(apply_filter)
    assert code == 0
    return adapterlist.decode(octets)


def plain(address: str):
    """Without its scope."""
    return ipaddress.ip_address(str(address).split("%")[0])


# What `ip` says


def expected_addresses(link: dict) -> list[tuple]:
    return [
        (ipaddress.ip_address(info["local"]), info["prefixlen"])
        for info in link["addr_info"]
        if info["family"] in ("inet", "inet6") and not info.get("dadfailed")
    ]


def expected_status(link: dict) -> str:
    state = link["operstate"]
    if state == "UNKNOWN":
        if "UP" not in link["flags"]:
            return "down"
        return "up" if "LOWER_UP" in link["flags"] else "unknown"
    words = {"NOTPRESENT": "notPresent", "LOWERLAYERDOWN": "lowerLayerDown"}
    return words.get(state, state.lower())


def expected_gateways(name: str) -> list:
    """The next hops of default routes, IPv4 first, by metric."""
    found = []
    for family in ("-4", "-6"):
        hops = []
        for route in ip_json(family, "route", "show", "table", "all", "default"):
            if route.get("type", "unicast") != "unicast":
                continue
            for hop in [route, *route.get("nexthops", [])]:
                gateway = hop.get("gateway") or hop.get("via", {}).get("host")
                if gateway and hop.get("dev") == name:
                    hops.append((route.get("metric", 0), plain(gateway)))
        for _, gateway in sorted(hops, key=lambda pair: pair[0]):
            if gateway not in found:
                found.append(gateway)
    return found


def links() -> dict[str, dict]:
    return {link["ifname"]: link for link in ip_json("-d", "address")}


# The tests


def test_every_field_beside_ip(network):
    """The whole list, strictly decoded, link by link."""
    answer, known = told(network), links()
    assert answer.names == set(known)
    for adapter in answer.adapters:
        link = known[adapter.friendly_name]
        name = adapter.friendly_name
        assert adapter.index == link["ifindex"], name
        addresses = expected_addresses(link)
        assert [plain(address) for address in adapter.addresses] == [address for address, _ in addresses], name
        assert [length for _, length in adapter.prefixes] == [length for _, length in addresses], name
        assert [plain(gateway) for gateway in adapter.gateways] == expected_gateways(name), name
        assert adapter.status == expected_status(link), name
        if link["link_type"] == "ether":
            assert adapter.physical_address.startswith(link["address"].upper().replace(":", "-")), name
        scopes = {address.scope_id for address in adapter.addresses if address.version == 6 and address.is_link_local}
        assert scopes <= {str(link["ifindex"])}, name
        assert not adapter.cluster and not adapter.dhcp and not adapter.rdma and not adapter.iscsi, name


def test_what_the_links_were_made_with(network):
    """The same as numbers of our own, in case `ip` and the node were wrong together."""
    answer = told(network)
    lan, san, idle, loopback = (answer.of(name) for name in ("lan0", "san0", "idle0", "lo"))
    assert lan.physical_address == "02-00-5E-00-0A-FF"
    assert "the office's network" in lan.description
    assert [(str(address), length) for address, length in lan.prefixes][:3] == [
        ("192.0.2.7", 24), ("192.0.2.8", 25), ("2001:db8::7", 64),
    ]
    # The lower metric comes first; the route to a network and the one that leads nowhere are no gateways.
    assert [str(gateway) for gateway in lan.gateways] == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    assert [str(gateway) for gateway in san.gateways] == ["198.51.100.1"]
    assert (lan.status, idle.status) == ("up", "lowerLayerDown")
    assert (loopback.type, loopback.status, loopback.physical_address) == (
        IF_TYPE_SOFTWARE_LOOPBACK, "up", "00-00-00-00-00-00-00-00",
    )
    assert lan.type == san.type == answer.of("br0").type == IF_TYPE_ETHERNET_CSMACD
    assert (lan.internal, answer.of("san0peer").internal, loopback.internal) == (False, True, False)


def test_types_of_links(network, own_network):
    answer = told(network)
    assert {name: (answer.of(name).type, answer.of(name).tunnel) for name in own_network} == own_network
    if missing := sorted(set(re.search(r"add (?:name )?(\w+)", line)[1] for line in OPTIONAL) - set(own_network)):
        print("this kernel makes no", ", ".join(missing))


@pytest.mark.parametrize("apply_filter", [1, 127, 128, 255])
def test_the_filter_leaves_out_loopback_and_tunnels(network, own_network, apply_filter):
    """3.6.4.3: any value but zero."""
    tunnels = {name for name, (kind, _) in own_network.items() if kind == IF_TYPE_TUNNEL}
    answer = told(network, apply_filter)
    assert answer.names == set(links()) - {"lo"} - tunnels
    assert told(network, 0).names == set(links())


def test_speeds_and_queues_beside_ethtool(network):
    if shutil.which("ethtool") is None:
        pytest.skip("`ethtool` is missing: install ethtool")
    for adapter in told(network).adapters:
        name = adapter.friendly_name
        settings = subprocess.run(["ethtool", name], capture_output=True, text=True).stdout
        speed = re.search(r"Speed: (\d+)Mb/s", settings)
        # 2.2.17: octets a second.
        assert adapter.speed == (int(speed[1]) * 1_000_000 // 8 if speed else 0), name
        table = subprocess.run(["ethtool", "-x", name], capture_output=True, text=True)
        spreads = table.returncode == 0 and re.search(r"^\s+0:", table.stdout, re.MULTILINE) is not None
        channels = subprocess.run(["ethtool", "-l", name], capture_output=True, text=True)
        current = channels.stdout.partition("Current hardware settings")[2]
        receiving = sum(int(count) for count in re.findall(r"(?:RX|Combined):\s+(\d+)", current))
        assert adapter.rss == (spreads or receiving > 1), name


def test_identifiers_stay(network, lab):
    """Name and GUIDs are the same for every activation; the GUIDs are as many as they have to be, all different, and the
    adapters' own among them."""
    first = told(network)
    with opened(lab) as other:
        second = told(other)
    assert [adapter.name for adapter in first.adapters] == [adapter.name for adapter in second.adapters]
    assert first.guids == second.guids
    assert len(set(first.guids)) == len(first.guids) == 2 * len(first.adapters)
    for number, adapter in enumerate(first.adapters):
        assert adapter.name == "{" + str(first.guids[2 * number]).upper() + "}"


def test_a_link_that_changes(network):
    """Nothing is remembered from the call before."""
    assert told(network).of("san0").status == "up"
    ip("link", "set", "san0peer", "down")
    try:
        assert told(network).of("san0").status == expected_status(links()["san0"]) != "up"
        ip("address", "add", "198.51.100.9/28", "dev", "san0")
        assert "198.51.100.9" in [str(address) for address in told(network).of("san0").addresses]
    finally:
        subprocess.run(["ip", "address", "del", "198.51.100.9/28", "dev", "san0"], capture_output=True)
        ip("link", "set", "san0peer", "up")
    assert "198.51.100.9" not in [str(address) for address in told(network).of("san0").addresses]


def test_an_address_that_somebody_else_has(network):
    """The kernel keeps an address that duplicate address detection has found elsewhere, and does not use it."""
    ip("address", "add", "2001:db8:1::9/64", "dev", "lan0peer", "nodad")
    ip("address", "add", "2001:db8:1::9/64", "dev", "lan0")
    try:
        wait_until(lambda: "dadfailed" in ip("address", "show", "lan0"), 20, "the duplicate to be found")
        assert "2001:db8:1::9" not in [str(address) for address in told(network).of("lan0").addresses]
        assert "2001:db8:1::9" in [str(address) for address in told(network).of("lan0peer").addresses]
    finally:
        for name in ("lan0", "lan0peer"):
            ip("address", "del", "2001:db8:1::9/64", "dev", name)


def test_thousands_of_addresses(network):
    """More than one netlink datagram, more than one fragment of a PDU."""
    ip("link", "add", "many0", "type", "veth", "peer", "name", "many0peer")
    try:
        wanted = [f"10.9.{number >> 8}.{number & 255}" for number in range(1, 4001)]
        ip("-batch", "-", input="".join(f"address add {address}/16 dev many0\n" for address in wanted))
        adapter = told(network).of("many0")
        assert [str(address) for address in adapter.addresses] == wanted
        assert {length for _, length in adapter.prefixes} == {16}
    finally:
        ip("link", "del", "many0")


def test_adapters_that_come_and_go_during_the_calls(network):
    """While links appear and vanish as fast as the kernel makes them, every list is whole, and has all that stays."""
    steady = set(links())
    restless = subprocess.Popen(
        [sys.executable, "-c", CHURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert restless.stdout.readline() == "running\n"
        seen = set()
        for _ in range(60):
            answer = told(network)
            assert steady <= answer.names
            lan = answer.of("lan0")
            assert [str(plain(address)) for address in lan.addresses][:3] == ["192.0.2.7", "192.0.2.8", "2001:db8::7"]
            assert len(lan.gateways) == 3
            seen |= answer.names - steady
    finally:
        restless.stdin.close()
        assert restless.wait(30) == 0
    assert seen and all(name.startswith("brief") for name in seen)
    assert told(network).names == steady


#: Makes and removes links with addresses until its input ends.
CHURN = r"""
import select, subprocess, sys
print("running", flush=True)
number = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    number += 1
    name = f"brief{number % 5}"
    lines = [f"link add {name} type veth peer name {name}peer", f"link set {name} up", f"link set {name}peer up"]
    lines += [f"address add 10.8.{number % 5}.{host}/24 dev {name}" for host in range(1, 30)]
    lines += [f"link del {name}"]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)
"""


def test_before_initialization_and_after_clean_up(network):
    """3.6.4.3: "The server SHOULD support this method even if the server Initialization State is FALSE"."""
    assert told(network).names == set(links())
    assert network.initialize(0)[0] == 0
    assert told(network).names == set(links())
    assert network.clean_up() == 0
    assert told(network).names == set(links())


@pytest.mark.parametrize("version", ["6.0", "6.1"])
def test_the_older_list(own_network, tmp_path, version):
    """A node that presents Windows Server 2008 or 2008 R2 (product-behaviour note 26)."""
    running = Lab(tmp_path / "shared", nodes=1, disks=1, CLUSPREPD_PRESENTED_VERSION=version)
    try:
        with opened(running) as network:
            code, octets = network.adapters()
        assert code == 0
        answer = adapterlist.decode_older(octets)
        known = links()
        assert answer.names == set(known)
        for adapter in answer.adapters:
            link = known[adapter.friendly_name]
            assert adapter.status == expected_status(link)
            assert [plain(address) for address in adapter.addresses] == [a for a, _ in expected_addresses(link)]
            assert (adapter.index, adapter.speed, adapter.iscsi) == (None, None, None)
    finally:
        assert running.stop() == 0


@pytest.fixture
def iscsi_lab(own_network, tmp_path):
    running = Lab(tmp_path / "shared", nodes=1, disks=1, iscsi=True)
    yield running
    assert running.stop() == 0


def test_the_way_to_the_nodes_own_disks(iscsi_lab):
    """ConnectedToiSCSI: the lab's target is behind the loopback adapter."""
    with opened(iscsi_lab) as network:
        assert {adapter.friendly_name for adapter in told(network).adapters if adapter.iscsi} == {"lo"}


# The command line


def command(*arguments: str, **how) -> subprocess.CompletedProcess:
    return subprocess.run([binaries() / "clusprep", "network", *arguments], capture_output=True, text=True, **how)


def test_the_command_line_lists_this_host(own_network):
    done = command("--json")
    assert done.returncode == 0 and done.stderr == ""
    listing = json.loads(done.stdout)
    known = links()
    assert listing["schema"] == 1
    assert {entry["name"] for entry in listing["adapters"]} == set(known)
    for entry in listing["adapters"]:
        link = known[entry["name"]]
        assert [(address["address"], address["prefixLength"]) for address in entry["addresses"]] == [
            (str(address), length) for address, length in expected_addresses(link)
        ]
        assert entry["gateways"] == [str(gateway) for gateway in expected_gateways(entry["name"])]
        assert entry["status"] == expected_status(link)
    text = command()
    assert text.returncode == 0 and text.stdout.startswith("ADAPTER") and "192.0.2.7/24" in text.stdout
    filtered = json.loads(command("--json", "--filtered").stdout)
    assert "lo" not in {entry["name"] for entry in filtered["adapters"]}


#: What those who set links up have on disk: INDEX and the files below it are for lan0, which has 192.0.2.7.
MANAGERS = {
    "a lease of systemd-networkd": {"/run/systemd/netif/leases/INDEX": "ADDRESS=192.0.2.7\n"},
    "a setting of systemd-networkd": {
        "/run/systemd/netif/links/INDEX": "NETWORK_FILE=/run/systemd/network/lan.network\n",
        "/run/systemd/network/lan.network": "[Match]\nName=lan0\n[Network]\nDHCP=ipv4\n",
    },
    "a connection of NetworkManager": {
        "/run/NetworkManager/devices/INDEX": "[device]\nconnection-uuid=u-1\n",
        "/run/NetworkManager/system-connections/lan.nmconnection": "[connection]\nuuid=u-1\n[ipv4]\nmethod=auto\n",
    },
    "a lease of dhclient": {
        "/var/lib/dhcp/dhclient.leases": 'lease {\n  interface "lan0";\n  fixed-address 192.0.2.7;\n}\n',
    },
}


@pytest.mark.parametrize("manager", [*MANAGERS, None])
def test_dhcp_by_what_managers_have_on_disk(own_network, manager):
    """In a mount namespace of its own, so that nothing of the host's is touched or seen."""
    if not os.path.isdir("/var/lib/dhcp") and manager == "a lease of dhclient":
        pytest.skip("/var/lib/dhcp is missing: install isc-dhcp-client")
    index = str(links()["lan0"]["ifindex"])
    script = ["set -e", "mount --make-rprivate /", "mount -t tmpfs none /run"]
    script.append("test ! -d /var/lib/dhcp || mount -t tmpfs none /var/lib/dhcp")
    for path, contents in MANAGERS.get(manager, {}).items():
        path = path.replace("INDEX", index)
        script.append(f"mkdir -p {os.path.dirname(path)}; printf %s {shlex.quote(contents)} > {path}")
    script.append(f"exec {shlex.quote(str(binaries() / 'clusprep'))} network --json")
    done = subprocess.run(["unshare", "-m", "sh", "-c", "\n".join(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told_of = {entry["name"]: entry["dhcp"] for entry in json.loads(done.stdout)["adapters"]}
    assert {name for name, dhcp in told_of.items() if dhcp} == ({"lan0"} if manager else set())


#: A DHCP server (RFC 2131) for one client: 198.51.100.129/25 for an hour, by broadcast on the link it is told.
DHCP_SERVER = r"""
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[1].encode() + b"\0")
server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
server.bind(("", 67))
print("running", flush=True)
while True:
    request = server.recv(1500)
    options, place = {}, 240
    while place < len(request) and request[place] != 255:
        if request[place]:
            options[request[place]] = request[place + 2 : place + 2 + request[place + 1]]
            place += 1 + request[place + 1]
        place += 1
    kind = {b"\1": 2, b"\3": 5}.get(options.get(53))  # DISCOVER to OFFER, REQUEST to ACK
    if kind:
        us, them = socket.inet_aton("198.51.100.130"), socket.inet_aton("198.51.100.129")
        reply = b"\2" + request[1:4] + request[4:8] + bytes(2) + b"\x80\0" + bytes(4) + them + us + bytes(4)
        reply += request[28:44] + bytes(192) + bytes([99, 130, 83, 99, 53, 1, kind, 54, 4]) + us
        reply += bytes([51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 128, 255])
        server.sendto(reply, ("255.255.255.255", 68))
"""


def test_dhcp_by_a_real_dhclient(own_network, tmp_path):
    """The lease file that dhclient itself writes, after a real exchange over a pair of links."""
    if shutil.which("dhclient") is None or not os.path.isdir("/var/lib/dhcp"):
        pytest.skip("`dhclient` is missing: install isc-dhcp-client")
    for line in (
        "link add dhcp0 type veth peer name dhcp0peer", "link set dhcp0 up", "link set dhcp0peer up",
        "address add 198.51.100.130/25 dev dhcp0peer",
    ):
        ip(*line.split())
    hook = tmp_path / "configure"
    # What dhclient has its script do, without touching the host's name servers.
    hook.write_text(
        '#!/bin/sh\n[ -z "$new_ip_address" ] || exec ip address add "$new_ip_address/25" dev "$interface"\n'
    )
    hook.chmod(0o755)
    script = f"""set -e
        mount --make-rprivate /
        mount -t tmpfs none /run
        mount -t tmpfs none /var/lib/dhcp
        dhclient -1 -q -sf {hook} -pf /run/dhclient.pid dhcp0 >&2
        {shlex.quote(str(binaries() / "clusprep"))} network --json
        kill $(cat /run/dhclient.pid)"""
    server = subprocess.Popen([sys.executable, "-c", DHCP_SERVER, "dhcp0peer"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "running\n"
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    finally:
        server.kill()
        server.wait()
        ip("link", "del", "dhcp0")
    adapters = {entry["name"]: entry for entry in json.loads(done.stdout)["adapters"]}
    assert {"address": "198.51.100.129", "prefixLength": 25} in adapters["dhcp0"]["addresses"]
    assert {name for name, entry in adapters.items() if entry["dhcp"]} == {"dhcp0"}


def test_the_command_line_asks_a_node(lab):
    """The same list, by way of the node's wire; the identifiers are the same, too."""
    node = lab.nodes[0]
    where = ["--node", node["address"], "--port", str(node["endpointMapperPort"]), "--user", f"{lab.domain}\\{lab.user}"]
    done = command(*where, "--json", input=lab.password + "\n")
    assert done.returncode == 0, done.stderr
    remote, local = json.loads(done.stdout), json.loads(command("--json").stdout)
    assert remote["server"] == node["name"] or remote["server"].startswith(node["name"] + ".")
    assert len(remote["adapters"]) == len(local["adapters"])
    for there, here in zip(remote["adapters"], local["adapters"], strict=True):
        if here["type"] != IF_TYPE_ETHERNET_CSMACD and here.get("hardwareAddress"):
            # On the wire it has eight octets (2.2.17).
            here["hardwareAddress"] += ":00" * (8 - len(here["hardwareAddress"].split(":")))
        assert there == here
    wrong = command(*where, "--json", input="not the password\n")
    assert wrong.returncode == 1 and wrong.stdout == "" and "cannot get the network adapters" in wrong.stderr


def test_wrong_command_lines():
    for arguments in (["--node", "n2"], ["--no-such-option"], ["eth0"]):
        assert command(*arguments).returncode == 64
    helped = command("--help")
    assert helped.returncode == 0 and "clusprep network --node" in helped.stdout


# The decoder itself: it has to read what is right, and to refuse what is not


def text(value: str) -> bytes:
    octets = value.encode("utf-16-le")
    return struct.pack("<H", len(octets)) + octets


def handmade(**changes) -> bytes:
    """An ADAPTERLIST2 of one adapter, written down from the figures; the changes replace single fields."""
    v4 = struct.pack("<HH4s120x", 2, 0, bytes([192, 0, 2, 7]))
    v6 = struct.pack("<HHL16sL100x", 23, 0, 0, bytes.fromhex("fe800000000000000000000000000007"), 4)
    fields = {
        "list": b"\2\0\x7a\x22", "server": text("n.example"), "adapters": b"\1\0", "adapter": b"\2\0\x7b\x22",
        "description": text("NIC"), "friendly": text("eth0"), "name": text("n"),
        "prefixes": b"\2\0" + v4 + struct.pack("<L", 24) + v6 + struct.pack("<L", 64),
        "mac": text("02-00-5E-00-0A-FF"), "addresses": b"\2\0" + v4 + v6, "gateways": b"\1\0" + v4,
        "index": struct.pack("<L", 4), "type": struct.pack("<L", 6), "tunnel": struct.pack("<L", 0),
        "status": struct.pack("<L", 1), "flags": b"\1\0\0\1", "speed": struct.pack("<Q", 125_000_000), "more": b"\0\1",
        "guids": b"\2\0" + text("00112233-4455-6677-8899-aabbccddeeff") * 2,
    }
    assert set(changes) <= set(fields)
    return b"".join((fields | changes).values())


def test_the_decoder_reads_what_is_written_by_hand():
    (adapter,) = adapterlist.decode(handmade()).adapters
    assert (adapter.friendly_name, adapter.index, adapter.type, adapter.status) == ("eth0", 4, 6, "up")
    assert [str(address) for address in adapter.addresses] == ["192.0.2.7", "fe80::7%4"]
    assert (adapter.dhcp, adapter.internal, adapter.cluster, adapter.iscsi) == (True, False, False, True)
    assert (adapter.speed, adapter.rdma, adapter.rss) == (125_000_000, False, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"list": b"\2\0\x7b\x22"}, {"list": b"\3\0\x7a\x22"}, {"adapter": b"\2\0\x7a\x22"}, {"adapters": b"\2\0"},
        {"server": text("n.example\0")}, {"server": text("")}, {"server": b"\1\0n"}, {"name": text("")},
        {"prefixes": b"\0\0"}, {"mac": text("02-00-5e-00-0a-ff")}, {"mac": text("02-00-5E-00-0A-FF-00-00")},
        {"addresses": b"\1\0" + struct.pack("<HH4s120x", 10, 0, bytes(4))},
        {"addresses": b"\1\0" + struct.pack("<HH4s119xB", 2, 0, bytes([192, 0, 2, 7]), 1)},
        {"addresses": b"\1\0" + struct.pack("<HH4s120x", 2, 53, bytes([192, 0, 2, 7]))},
        {"type": struct.pack("<L", 0)}, {"tunnel": struct.pack("<L", 16)}, {"status": struct.pack("<L", 0)},
        {"status": struct.pack("<L", 8)}, {"flags": b"\2\0\0\1"}, {"more": b"\0\xff"},
        {"guids": b"\1\0" + text("00112233-4455-6677-8899-aabbccddeeff")},
        {"guids": b"\2\0" + text("{0112233-4455-6677-8899-aabbccddeef}") * 2},
        {"guids": b"\2\0" + text("00112233-4455-6677-8899-aabbccddeeff") * 3},
    ],
    ids=lambda changes: f"{next(iter(changes))}-{next(iter(changes.values()))[:10].hex()}",
)
def test_the_decoder_refuses_what_is_wrong(changes):
    with pytest.raises(adapterlist.Malformed):
        adapterlist.decode(handmade(**changes))


def test_the_decoder_refuses_what_is_cut_off():
    whole = handmade()
    for length in range(len(whole)):
        with pytest.raises(adapterlist.Malformed):
            adapterlist.decode(whole[:length])
