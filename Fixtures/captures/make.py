#!/usr/bin/env python3
"""Makes the captures of this folder again: what impacket, Samba's tools and the project's own client say to a fresh lab.

    python Fixtures/captures/make.py [NAME...]

Run by Scripts/make-fixtures, in a network namespace of its own. Each capture has a lab of its own, so that whoever plays it
again to a fresh lab finds the same beginning.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
INTEROP = FOLDER.parents[1] / "Tests" / "Interop"
sys.path.insert(0, str(INTEROP))

import csvp  # noqa: E402
import csvp_network as net  # noqa: E402
import dcom_stubs as stubs  # noqa: E402
from conftest import QUICK, Clients  # noqa: E402
from csvp import DiskID, Storage3  # noqa: E402
from csvp_properties import Properties  # noqa: E402
from csvp_setup import CLSID_ClusterCleanup, Certificates, Cleanup, IID_IClusterCleanup  # noqa: E402
from dcom import Association, Credentials, Fault, activate, exporter  # noqa: E402
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_INTEGRITY  # noqa: E402
from impacket.uuid import string_to_bin, uuidtup_to_bin  # noqa: E402
from kdc import ENCTYPES, KDC  # noqa: E402
from impacket.dcerpc.v5 import mgmt  # noqa: E402
from impacket.dcerpc.v5.dcomrt import (  # noqa: E402
    IID_IRemoteSCMActivator,
    IID_IRemUnknown,
    IID_IRemUnknown2,
    IRemoteSCMActivator,
)
from lab import Lab, binaries, tool, wait_until  # noqa: E402
from logs import Logs  # noqa: E402
from shares import Shares, ShareTest  # noqa: E402

import tshark  # noqa: E402

REALM, NODE = "LAB.TEST", "node.lab.test"
KEYTAB = FOLDER / "services.keytab"
SCENARIOS = {}


def scenario(source: str, title: str, kerberos: bool = False):
    """Registers a function under its name; Kerberos scenarios get a lab with the realm's keytab."""

    def register(function):
        SCENARIOS[function.__name__.replace("_", "-")] = (function, source, title, kerberos)
        return function

    return register


# MARK: impacket


def whole_disk(world, way, name):
    disk = DiskID.of(next(disk for disk in world.lab.disks if disk["style"] == "gpt"))
    storage = world.clients.storage(way=way)
    storage.prepare()
    code, answer = storage.phase2()
    for number in range(answer["pulNumDisks"]):
        storage.props(DiskID(csvp.CprepIdNumber, number))
    storage.call("CprepDiskAttach", disk)
    storage.call("CprepDiskPRArbitrate", disk)
    storage.online(disk)
    storage.call("CprepDiskIsOnline", disk)
    storage.fs_name(disk, 1)
    storage.is_ntfs(disk, 1)
    content = bytes(range(256)) * 40
    storage.write_file(disk, 1, name, content)
    storage.verify_file(disk, 1, name, content)
    storage.verify_file(disk, 1, name, content[::-1])
    storage.delete_file(disk, 1, name)
    storage.call("CprepDiskOffline", disk)
    storage.call("CprepDiskIsOnline", disk)
    storage.call("CprepDiskStopDefense", disk)
    world.clients.release(storage)


@scenario("impacket", "[MS-CSVP] 4.1, A Shared Disk Online, activated by RemoteCreateInstance")
def impacket_disk(world):
    whole_disk(world, "RemoteCreateInstance", "example.bin")


@scenario("impacket", "[MS-CSVP] 4.1 again, activated by RemoteActivation")
def impacket_disk_remote_activation(world):
    whole_disk(world, "RemoteActivation", "käse.bin")


@scenario("impacket", "[MS-CSVP] 4.2, Validate Network Configuration: each method of IClusterNetwork2")
def impacket_network(world):
    opened = world.clients.activate(net.CLSID_ClusterNetwork2, net.IID_IClusterNetwork2)
    network = net.Network(opened.main)
    network.initialize()
    network.adapters()
    network.adapters(1)
    network.round_trip("127.0.0.1", "127.0.0.1")
    network.firewall()
    routes = [net.NodeRouteInfo.of("fe80::2", [("127.0.0.1", "127.0.0.1", 1)])]
    network.add_routes(net.route_request("fe80::1", routes))
    network.status()
    network.reserved()
    network.cancel()
    network.clean_up()


@scenario("impacket", "[MS-CSVP] 4.3, Cluster Setup, and the other methods of IClusterSetup")
def impacket_setup(world):
    setup = world.clients.setup()
    setup.config_secret(bytes(range(63)))
    setup.retrieve_secret()
    setup.config_secret(b"")
    setup.retrieve_secret()
    setup.host_label()
    certificates = Certificates(setup)
    certificates.functional_level()
    certificates.upgrade_version()
    code, certificate = certificates.generate()
    certificates.configure(certificate)
    certificates.retrieve()
    certificates.generate(kind=0)
    certificates.retrieve(kind=0)
    world.clients.release(setup)


@scenario("impacket", "methods of IClusterStorage2 that example 4.1 does not show, and calls that fail")
def impacket_storage2(world):
    gpt, mbr = (DiskID.of(disk) for disk in world.lab.disks)
    storage = world.clients.storage()
    storage.props(gpt)  # before CprepPrepareNode
    storage.ready()
    storage.raw_read(mbr, 1)  # not attached
    storage.take(mbr)
    _, (first, second) = storage.arb_sectors(mbr)
    storage.raw_write(mbr, first, bytes(range(256)) * 2)
    storage.raw_read(mbr, first)
    storage.presence(mbr)
    storage.codes(
        mbr, "CprepDiskVerifyUnique", "CprepDiskIsReadable", "CprepDiskSetOnline", "CprepDiskIsOnline",
        "CprepDiskPRUnRegister", "CprepDiskPRRegister", "CprepDiskPRReserve", "CprepDiskPRRelease", "CprepDiskPRPreempt",
        "CprepDiskPRClear",
    )  # fmt: skip
    properties = Properties(storage)
    properties.unique_ids(mbr, 4)
    properties.unique_ids(mbr, 1024)
    properties.dsms(4096)
    storage.props(DiskID(csvp.CprepIdNumber, 1000))
    storage.props(DiskID(csvp.CprepIdUnknown, 0))
    storage.call("CprepDiskOffline", mbr)
    storage.call("CprepDiskStopDefense", mbr)
    with contextlib.suppress(Fault):  # no such operation
        storage.proxy.call_raw((77, bytes(32)))
    with contextlib.suppress(Fault):  # a stub that ends too early
        storage.proxy.call_raw((7, b"\5\0\7\0" + bytes(28)))
    world.clients.release(storage)


@scenario("impacket", "IClusterStorage3: reservations, properties and the node, on both nodes")
def impacket_storage3(world):
    gpt = DiskID.of(world.lab.disks[0])
    a, b = 0x1122334455667788, 0xFFEEDDCCBBAA9988
    first, second = (world.clients.storage(node=node, ready=True) for node in (0, 1))
    for storage in (first, second):
        storage.call("CprepDiskAttach", gpt)
    one, two = Storage3(first), Storage3(second)
    one.is_clustered()
    one.is_read_only(gpt)
    one.register(gpt, 0, a)
    two.register(gpt, 0, b)
    one.reserve(gpt, a)
    two.reserve(gpt, b)
    one.is_reserved(gpt, a)
    two.finds(gpt, a)
    two.preempt(gpt, a, b)
    one.release(gpt, a)
    two.release(gpt, b)
    two.clear(gpt, b)
    two.finds(gpt, b)
    properties = Properties(first)
    properties.props3(gpt)
    properties.unique_ids3(gpt)
    for storage in (first, second):
        world.clients.release(storage)


@scenario("impacket", "the four interfaces of ClusterLog")
def impacket_logs(world):
    logs = Logs(world.clients)
    logs.cluster()
    logs.span(5)
    logs.cluster_local()
    logs.span_local(5)
    for opnum in (3, 4, 5, 8):
        logs.extended(opnum, 5)
    logs.network(5)
    logs.performance("stream")
    logs.log_ex(0, 5)
    logs.count()
    logs.file_path(0)
    logs.file_path(1000)
    logs.log_ex2(0, 5)
    logs.log_ex(77, 5)
    logs.object.release()


@scenario("impacket", "IClusterFirewall, IClusterUpdate and IClusterCleanup")
def impacket_others(world):
    firewall = world.clients.activate(
        string_to_bin("3CFEE98C-FB4B-44C6-BD98-A1DB14ABCA3F"), csvp.iid("F1D6C29C-8FBE-4691-8724-F6D8DEAEAFC8")
    )
    for body in ((3, b""), (4, struct.pack("<L", 0)), (4, struct.pack("<L", 1000))):
        plain(firewall.main, *body)
    update = world.clients.activate(
        string_to_bin("4142DD5D-3472-4370-8641-DE7856431FB0"), csvp.iid("E3C9B851-C442-432B-8FC6-A7FAAFC09D3B")
    )
    plain(update.main, 4)
    cleanup = Cleanup(world.clients.activate(CLSID_ClusterCleanup, IID_IClusterCleanup).main)
    cleanup.clear_pr(0)
    cleanup.clear_pr(1000)
    cleanup.clean_up(flags=1)
    for opened in (firewall, update, cleanup.proxy.object):
        opened.release()


@scenario("impacket", "IObjectExporter, activation by several interfaces, RemQueryInterface, pings, and refusals")
def impacket_dcom(world):
    node = world.lab.nodes[0]
    association, resolver = exporter(node)
    with association:
        resolver.ServerAlive()
        resolver.ServerAlive2()
    with activate(node, world.credentials, csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup,
                  activation_level=RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, level=RPC_C_AUTHN_LEVEL_PKT_INTEGRITY) as setup:
        with contextlib.suppress(Exception):
            setup.query(csvp.IID_IClusterStorage2)
        setup.query(csvp.IID_IClusterSetup)
        association, resolver = exporter(node, world.credentials)
        with association:
            resolver.ResolveOxid(setup.oxid, (7,))
            resolver.ResolveOxid2(setup.oxid, (7,))
            answer = resolver.ComplexPing(sequenceNum=1, addToSet=[setup.oid])
            resolver.SimplePing(answer["pSetId"])
            with contextlib.suppress(Exception):
                resolver.ResolveOxid2(0x1234, (7,))
        with contextlib.suppress(Exception):
            csvp.Setup(setup.main).config_secret(b"at integrity")
        setup.release()
    for clsid in (csvp.CLSID_ClusterSetup, string_to_bin("00112233-4455-6677-8899-AABBCCDDEEFF")):
        with contextlib.suppress(Exception):
            activate(node, world.credentials, clsid, csvp.IID_IClusterStorage3).close()
    with contextlib.suppress(Exception):
        activate(node, Credentials(world.lab.domain, world.lab.user, "wrong"), csvp.CLSID_ClusterSetup,
                 csvp.IID_IClusterSetup).close()


@scenario("impacket", "IRemUnknown2, RemAddRef, class objects, and the operations that are only numbers")
def impacket_objects(world):
    opened = world.clients.storage().proxy.object
    iids = [csvp.IID_IClusterStorage3[:16], bytes(range(16)), csvp.IID_IClusterStorage2[:16]]

    def unknown(call, interface=IID_IRemUnknown):
        bound = opened.association.bind(interface)
        with contextlib.suppress(Fault):
            opened.association.request(bound, call, opened.ipid_rem_unknown)

    unknown(stubs.rem_query_interface(opened.main.ipid, 2, iids))
    unknown(stubs.rem_query_interface2(opened.main.ipid, iids), IID_IRemUnknown2)
    unknown(stubs.rem_add_ref([(opened.main.ipid, 3, 0), (bytes(16), 1, 0)]))
    unknown(stubs.rem_release([(opened.main.ipid, 3, 0)]))
    for opnum in (8, 9, 10, 11, 15, 16, 21):
        plain(opened.main, opnum)
    setup = world.clients.setup()
    class_factory = uuidtup_to_bin(("00000001-0000-0000-c000-000000000046", "0.0"))
    node = world.lab.nodes[0]
    with Association(node["address"], node["endpointMapperPort"], world.credentials) as association:
        association.bind(IID_IRemoteSCMActivator)
        association.dce.bind = lambda *_, **__: None
        factory = IRemoteSCMActivator(association.dce).RemoteGetClassObject(csvp.CLSID_ClusterSetup, class_factory)
    anybody = setup.proxy.object
    through = anybody.association.bind(class_factory)
    for call in ((3, stubs.orpcthis() + csvp.IID_IClusterSetup[:16]), (4, stubs.orpcthis() + b"\1\0\0\0")):
        anybody.association.request(through, call, factory.get_iPid())
    certificates = Certificates(setup)
    for opnum in (7, 8, 13):
        plain(setup.proxy, opnum)
    code, certificate = certificates.generate(kind=2)
    certificates.configure(certificate, kind=2)
    certificates.retrieve(kind=2)
    world.clients.release(setup)
    opened.release()


@scenario("impacket", "mgmt: every method, in the clear and signed")
def impacket_management(world):
    node = world.lab.nodes[0]
    for credentials in (None, world.credentials):
        with Association(
            node["address"], node["endpointMapperPort"], credentials, level=RPC_C_AUTHN_LEVEL_PKT_INTEGRITY
        ) as association:
            bound = association.bind(mgmt.MSRPC_UUID_MGMT)
            for call in (
                mgmt.inq_if_ids(), mgmt.inq_stats(), mgmt.is_server_listening(), mgmt.stop_server_listening(),
                mgmt.inq_princ_name(),
            ):  # fmt: skip
                if isinstance(call, mgmt.inq_stats):
                    call["count"] = 4
                if isinstance(call, mgmt.inq_princ_name):
                    call["authn_proto"], call["princ_name_size"] = 10, 1000
                with contextlib.suppress(Fault):
                    association.request(bound, call)


@scenario("impacket", "[MS-CSVP] 3.5.4.7: shares of two nodes, set up, made, and reached from the other")
def impacket_shares(world):
    test = ShareTest("a secret of the captures")
    nodes = [Shares(world.clients, index) for index in range(2)]
    for shares in nodes:
        shares.check()
        shares.setup(test)
    for server, client in ((0, 1), (1, 0)):
        _, paths = nodes[server].create()
        nodes[client].connect_to(*paths)
        nodes[client].connect_to("\\\\127.0.0.99")
    for shares in nodes:
        shares.release()


def plain(proxy, opnum, body=b""):
    """A call whose answer nobody looks at."""
    with contextlib.suppress(Fault):
        proxy.call_raw((opnum, net.ORPCTHIS + body))


@scenario("impacket", "[MS-CSVP] 4.3 by Kerberos inside SPNEGO, AES-256 with SHA-1", kerberos=True)
def impacket_kerberos(world):
    with world.tickets(), world.impacket_ticket(f"aes256-sha1.{REALM.lower()}") as credentials:
        with activate(world.lab.nodes[0], credentials, csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup) as opened:
            setup = csvp.Setup(opened.main)
            setup.config_secret(bytes(range(104)))
            setup.retrieve_secret()
            setup.host_label()
            opened.query(csvp.IID_IClusterSetup)
            opened.release()


@scenario("impacket", "[MS-CSVP] 4.3 by Kerberos inside SPNEGO, RC4", kerberos=True)
def impacket_kerberos_rc4(world):
    with world.tickets(), world.impacket_ticket(f"rc4.{REALM.lower()}") as credentials:
        with activate(world.lab.nodes[0], credentials, csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup) as opened:
            setup = csvp.Setup(opened.main)
            setup.config_secret(bytes(range(104)))
            setup.retrieve_secret()


# MARK: Samba


def samba_calls(world, options, *calls, environment=None):
    who = (REALM, "", "") if environment else (world.lab.domain, world.lab.user, world.lab.password)
    if options.startswith("anonymous"):
        who, options = ("", "", ""), options.removeprefix("anonymous,")
    subprocess.run(
        ["/usr/bin/python3", str(INTEROP / "samba_calls.py"), world.lab.nodes[0]["address"], "135," + options, *who, *calls],
        check=True, timeout=60, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})},
    )


@scenario("samba", "mgmt by python3-samba: NTLM with and without SPNEGO, signed and sealed, big endian, NDR64, anonymous")
def samba_mgmt(world):
    for options in (
        "ntlm,connect", "ntlm,sign", "ntlm,seal", "spnego,sign", "spnego,seal", "ntlm,sign,bigendian",
        "ntlm,seal,bigendian", "ntlm,seal,ndr64", "ntlm,sign,ndr64", "anonymous,ndr64",
    ):  # fmt: skip
        samba_calls(world, options, "mgmt", "interfaces")


def samba_program(world, name, package, options, *arguments, environment=None, account=None):
    node = world.lab.nodes[0]
    account = account or ("-U", f"{world.lab.domain}\\{world.lab.user}%{world.lab.password}")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [tool(name, package), f"ncacn_ip_tcp:{node['address']}[{options}]", *account, *arguments], cwd=folder,
            timeout=120, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip


@scenario("samba", "rpcclient's epmlookup, in the clear, signed and sealed")
def samba_rpcclient(world):
    for options in ("", "ntlm,sign", "ntlm,seal", "spnego,seal"):
        samba_program(world, "rpcclient", "smbclient", options, "-c", "epmlookup")


@scenario("samba", "smbtorture's rpc.remact and rpc.oxidresolve, sealed")
def samba_torture(world):
    for suite in ("rpc.remact", "rpc.oxidresolve"):
        samba_program(world, "smbtorture", "samba-testsuite", "ntlm,seal", suite)


@scenario("samba", "mgmt by python3-samba: Kerberos of each encryption type, signed and sealed", kerberos=True)
def samba_kerberos(world):
    with world.tickets() as environment:
        for name in ENCTYPES:
            for level in ("sign", "seal"):
                if name.endswith("sha2") and level == "sign":
                    continue  # Samba 4.17 does not know the length of such signatures, and waits forever
                target = f"target_hostname={name}.{REALM.lower()}"
                samba_calls(world, f"krb5,{level},{target}", "mgmt", "interfaces", environment=environment)
        for options in ("seal,spnego", "sign,spnego", "krb5,seal,bigendian"):
            samba_calls(world, f"{options},target_hostname={NODE}", "mgmt", "interfaces", environment=environment)


# MARK: The project's own client


def own(world, *arguments, environment=None, password=True):
    """Runs clusprep; what it says is not the point."""
    subprocess.run(
        [str(binaries() / "clusprep"), *map(str, arguments)], input=world.lab.password + "\n" if password else "",
        text=True, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip


@scenario("clusprep", "clusprep walk: the specification's three examples on both nodes")
def clusprep_walk(world):
    own(world, "walk", "--lab", world.lab.folder)


@scenario("clusprep", "the tool's subcommands that ask a node: network, log, firewall, setup")
def clusprep_tools(world):
    node = world.lab.nodes[0]
    options = ("--node", node["address"], "--user", f"{world.lab.domain}\\{world.lab.user}")
    for command in (["network"], ["log"], ["firewall", "show"], ["setup", "show"]):
        own(world, *command, *options)


@scenario("clusprep", "the tool's cleanup, updates, and certificates")
def clusprep_others(world):
    node = world.lab.nodes[0]
    options = ("--node", node["address"], "--user", f"{world.lab.domain}\\{world.lab.user}")
    for command in (
        ["updates", "--count"], ["setup", "certificates", "generate"], ["setup", "certificates", "show"],
        ["cleanup", "--clear-disk", "0"], ["cleanup", "--no-stop"],
    ):  # fmt: skip
        own(world, *command, *options)


@scenario("clusprep", "clusprep setup show and network by Kerberos, AES-256 with SHA-1", kerberos=True)
def clusprep_kerberos(world):
    node = world.lab.nodes[0]
    options = ("--node", node["address"], "--kerberos", "--principal", f"host/{NODE}@{REALM}")
    with world.tickets() as environment:
        for command in (["setup", "show"], ["network"]):
            own(world, *command, *options, environment=environment, password=False)


@scenario("clusprep", "clusprep setup show by Kerberos, AES with SHA-2", kerberos=True)
def clusprep_kerberos_sha2(world):
    node = world.lab.nodes[0]
    with world.tickets() as environment:
        for name in ("aes128-sha2", "aes256-sha2"):
            principal = f"host/{name}.{REALM.lower()}@{REALM}"
            options = ("--node", node["address"], "--kerberos", "--principal", principal)
            own(world, "setup", "show", *options, environment=environment, password=False)


# MARK: How it is done


class World:
    """A lab with the account that the README names, and clients on it."""

    def __init__(self, lab: Lab, realm: KDC | None):
        self.lab, self.realm = lab, realm
        self.credentials = Credentials(lab.domain, lab.user, lab.password)
        self.clients = Clients(lab, self.credentials)

    @contextlib.contextmanager
    def tickets(self):
        """alice's tickets, in this process' environment, too."""
        hosts = [f"host/{name}.{REALM.lower()}" for name in ENCTYPES] + [f"host/{NODE}"]
        environment = self.realm.login("alice", "alices", *hosts)
        before = dict(os.environ)
        os.environ.update({name: value.removeprefix("FILE:") for name, value in environment.items()})
        try:
            yield environment
        finally:
            os.environ.clear()
            os.environ.update(before)

    @contextlib.contextmanager
    def impacket_ticket(self, host: str):
        yield Credentials(REALM, "alice", "", service_host=host)


@contextlib.contextmanager
def capture(path: Path, lab: Lab):
    """What DCE/RPC says on the loopback interface while the block runs; Kerberos' own and SMB's ports are left out."""
    process = subprocess.Popen(
        [tool("dumpcap", "wireshark-common"), "-P", "-q", "-i", "lo", "-f",
         "tcp and (net 127.0.0.0/8) and not port 445 and not port 88", "-w", str(path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        wait_until(lambda: path.exists() and path.stat().st_size > 0, 20, "dumpcap to begin")
        time.sleep(0.3)  # its header is written before its socket is open
        yield
        seen = -1
        while seen != (seen := path.stat().st_size):
            time.sleep(1.1)  # it writes once a second
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def realm(folder: Path):
    """alice, and a service for each encryption type; the keys are kept beside the captures."""
    with KDC(folder / "realm", REALM) as kdc:
        kdc.add_user("alice", "alices")
        services = [f"host/{name}.{REALM.lower()}" for name in ENCTYPES]
        for service, enctype in zip(services, ENCTYPES.values()):
            kdc.add_service(service, [enctype])
        kdc.add_service(f"host/{NODE}")
        kdc.keytab(*services, f"host/{NODE}", path=folder / "services.keytab")
        yield kdc


def make(name: str, folder: Path, kdc: KDC | None) -> dict:
    function, source, title, kerberos = SCENARIOS[name]
    settings = dict(QUICK)
    if kerberos:
        settings |= kdc.environment | {
            "CLUSPREPD_KERBEROS_KEYTAB": str(folder / "services.keytab"),
            "CLUSPREPD_KERBEROS_ALLOW_RC4": "true",
            "CLUSPREPD_KERBEROS_ADMINISTRATORS": f"alice@{REALM}",
        }
    lab = Lab(folder / name, **settings)
    path = folder / f"{name}.pcap"
    try:
        world = World(lab, kdc if kerberos else None)
        with capture(path, lab):
            function(world)
            with contextlib.suppress(Exception):
                world.clients.close()
    finally:
        lab.stop()
    shutil.copyfile(path, FOLDER / path.name)
    ports = [node["endpointMapperPort"] for node in lab.nodes]
    assert ports == [135, 135], "the captures need port 135"
    entry = {"file": path.name, "source": source, "title": title, "kerberos": kerberos}
    if not kerberos:
        entry |= {"domain": lab.domain, "user": lab.user, "password": lab.password}
    else:
        entry |= {"keytab": KEYTAB.name, "principal": f"alice@{REALM}"}
    entry["disks"] = [{"id": disk["id"], "style": disk["style"]} for disk in lab.disks]
    return entry


def main(names: list[str]):
    index = FOLDER / "captures.json"
    entries = {entry["file"]: entry for entry in json.loads(index.read_text())} if index.exists() else {}
    names = names or list(SCENARIOS)
    if any(SCENARIOS[name][3] for name in names):
        # The keys are one file for all of them.
        names += [name for name in SCENARIOS if SCENARIOS[name][3] and name not in names]
    with tempfile.TemporaryDirectory(prefix="captures") as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        kdc = None
        if any(SCENARIOS[name][3] for name in names):
            kdc = stack.enter_context(realm(folder))
            shutil.copyfile(folder / "services.keytab", KEYTAB)
        for name in names:
            entry = make(name, folder, kdc)
            entries[entry["file"]] = entry
            print(f"{entry['file']}: {(FOLDER / entry['file']).stat().st_size} octets", file=sys.stderr)
    order = [f"{name}.pcap" for name in SCENARIOS]
    judgements = {
        file: tshark.messages(FOLDER / file, entries[file].get("password"), KEYTAB if entries[file]["kerberos"] else None)
        for file in order
        if file in entries
    }
    lines = [f"{json.dumps(file)}: [\n" + ",\n".join(map(json.dumps, found)) + "\n]" for file, found in judgements.items()]
    (FOLDER / "tshark.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    index.write_text(json.dumps([entries[file] for file in order if file in entries], indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
