"""Kerberos: foreign clients with tickets of a test's own realm, and who of them is refused."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import csvp
import pytest
from conftest import QUICK
from dcom import Association, BindRefused, Credentials, Fault, activate
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY
from impacket.krb5 import kerberosv5
from impacket.krb5.ccache import CCache
from kdc import ENCTYPES, KDC
from lab import Lab, binaries, tool, wait_until
from test_bindings import calls
from test_capture import capture

pytestmark = pytest.mark.usefixtures("survives")

DOMAIN = "lab.test"
REALM = DOMAIN.upper()
NODE = f"node.{DOMAIN}"
ACCESS_DENIED = 0x00000005
NT_ACCESS_DENIED = 0xC0000022
LEVELS = {"sign": RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, "seal": RPC_C_AUTHN_LEVEL_PKT_PRIVACY}
#: impacket has no SHA-2.
IMPACKETS = ["aes128-sha1", "aes256-sha1", "rc4"]


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    """A realm with alice, who is to be an administrator, bob, who is not, and a service for each encryption type."""
    with KDC(tmp_path_factory.mktemp("kdc") / "realm", REALM) as kdc:
        kdc.add_user("alice", "alices")
        kdc.add_user("bob", "bobs")
        services = [f"host/{name}.{DOMAIN}" for name in ENCTYPES]
        for service, enctype in zip(services, ENCTYPES.values()):
            kdc.add_service(service, [enctype])
        for name in (f"host/{NODE}", f"RPCSS/{NODE}", f"host/changed.{DOMAIN}", f"host/unknown.{DOMAIN}"):
            kdc.add_service(name)
        kdc.keytab(*services, f"host/{NODE}", f"RPCSS/{NODE}", f"host/changed.{DOMAIN}")
        kdc.change_key(f"host/changed.{DOMAIN}")
        yield kdc


@pytest.fixture(scope="module")
def lab(tmp_path_factory, realm):
    """One node with the realm's keytab."""
    running = Lab(
        tmp_path_factory.mktemp("lab") / "shared",
        nodes=1,
        **QUICK,
        **realm.environment,
        CLUSPREPD_KERBEROS_KEYTAB=str(realm.folder / "services.keytab"),
        CLUSPREPD_KERBEROS_ALLOW_RC4="true",
        CLUSPREPD_KERBEROS_ADMINISTRATORS=f"alice@{REALM}",
        CLUSPREPD_KERBEROS_ADMINISTRATOR_GROUPS="S-1-5-21-1-2-3-1200",
        CLUSPREPD_LOG_LEVEL="debug",
    )
    running.realm = realm
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def tickets(realm):
    """The environment that has alice's tickets for everything."""
    everything = [f"host/{name}.{DOMAIN}" for name in [*ENCTYPES, "node", "changed", "unknown"]]
    return {
        "alice": realm.login("alice", "alices", *everything),
        "bob": realm.login("bob", "bobs", f"host/{NODE}"),
    }


@pytest.fixture
def alice(tickets, monkeypatch):
    """impacket looks for tickets in this process' environment."""
    for name, value in tickets["alice"].items():
        monkeypatch.setenv(name, value.removeprefix("FILE:"))
    return lambda host=NODE: Credentials(REALM, "alice", "", service_host=host)


@contextlib.contextmanager
def logged(lab, words):
    """The daemon says so, and says what to do, while the block runs."""
    log = lab.folder / lab.nodes[0]["name"] / "log"
    before = len(log.read_text())
    yield
    wait_until(lambda: words in log.read_text()[before:], 10, f"the log to say \"{words}\"")


def samba(lab, environment, *options, host=NODE):
    """mgmt and interfaces through Samba's client."""
    node = lab.nodes[0]
    options = (node["endpointMapperPort"], "krb5", f"target_hostname={host}", *options)
    return calls(node["address"], options, (REALM, "", ""), "mgmt", "interfaces", environment=environment)


# MARK: Who comes in


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("enctype", ENCTYPES)
def test_samba(lab, tickets, enctype, level):
    if enctype.endswith("sha2") and level == "sign":
        pytest.xfail("Samba's client does not know the length of signatures with SHA-2, and waits forever (4.17)")
    with logged(lab, "logon of LAB.TEST\\alice"):
        listening, interfaces = samba(lab, tickets["alice"], level, host=f"{enctype}.{DOMAIN}")
    assert listening.get("result"), listening
    assert interfaces.get("result", 0) >= 2, interfaces


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("form", ["bigendian", "spnego"])
def test_samba_in_other_forms(lab, tickets, form, level):
    node = lab.nodes[0]
    options = (node["endpointMapperPort"], *(["krb5"] if form != "spnego" else []), form, level, f"target_hostname={NODE}")
    listening, interfaces = calls(
        node["address"], options, (REALM, "", ""), "mgmt", "interfaces", environment=tickets["alice"]
    )
    assert listening.get("result"), listening
    assert interfaces.get("result", 0) >= 2, interfaces


#: smbtorture takes no ccache, and rpcclient no password.
PASSWORD = ("-U", f"alice@{REALM}%alices")
TICKETS = ("-U", f"alice@{REALM}", "-N")


def samba_program(lab, name, package, options, account, *arguments, folder=None, environment=None):
    """One of Samba's programs, at the node, as alice; what it printed."""
    node = lab.nodes[0]
    if node["endpointMapperPort"] != 135:
        pytest.skip(f"{name} asks the endpoint mapper at port 135: run as root")
    finished = subprocess.run(
        [
            tool(name, package), f"ncacn_ip_tcp:{node['address']}[{options},target_hostname={NODE}]",
            "--use-kerberos=required", f"--option=realm={REALM}", *account, *arguments,
        ],
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, cwd=folder,
        env={**os.environ, **lab.realm.environment, **(environment or {})},
    )
    return finished.stdout + finished.stderr


@pytest.mark.parametrize("options", ["krb5,sign", "krb5,seal", "spnego,sign", "spnego,seal"])
def test_rpcclient(lab, tickets, options):
    text = samba_program(
        lab, "rpcclient", "smbclient", options, TICKETS, "-c", "epmlookup", environment=tickets["alice"]
    )
    assert "ncacn_ip_tcp" in text, text


@pytest.mark.parametrize("suite", ["rpc.oxidresolve", "rpc.remact"])
@pytest.mark.parametrize("options", ["krb5,seal", "spnego,seal", "krb5,seal,bigendian"])
def test_smbtorture(lab, options, suite, tmp_path):
    text = samba_program(lab, "smbtorture", "samba-testsuite", options, PASSWORD, suite, folder=tmp_path)
    words = {line.split(":")[0] for line in text.splitlines()} & {"success", "failure", "error", "skip"}
    assert words == {"success"}, text


@pytest.mark.parametrize("way", ["RemoteCreateInstance", "RemoteActivation"])
@pytest.mark.parametrize("enctype", IMPACKETS)
def test_impacket(lab, alice, enctype, way):
    """DCOM: activation at integrity, and calls with a secret at privacy."""
    credentials = alice(f"{enctype}.{DOMAIN}")
    with activate(
        lab.nodes[0], credentials, csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup, way, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY
    ) as object_:
        setup = csvp.Setup(object_.main)
        # impacket's RC4 pads a stub to eight octets and does not say so; with this secret it has no need to, as it has elsewhere.
        secret = os.urandom(104)
        assert setup.config_secret(secret) == csvp.S_OK
        assert setup.retrieve_secret() == (csvp.S_OK, secret)
        if enctype != "rc4":
            assert object_.query(csvp.IID_IClusterSetup).ipid
            assert object_.release() == 0


def refusal(lab, credentials, level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY):
    """What a caller sees who tries to activate: ("fault", status) or ("bind_nak", reason); None if it is let in."""
    try:
        activate(
            lab.nodes[0], credentials, csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup, activation_level=level
        ).close()
    except Fault as fault:
        return "fault", fault.status
    except BindRefused as refused:
        return "bind_nak", refused.reason
    except Exception as error:  # impacket's own, where an alter_context is answered by a fault
        return "error", str(error)
    return None


def test_only_administrators_activate(lab, alice, tickets, monkeypatch):
    assert refusal(lab, alice()) is None
    for name, value in tickets["bob"].items():
        monkeypatch.setenv(name, value.removeprefix("FILE:"))
    assert refusal(lab, Credentials(REALM, "bob", "", service_host=NODE)) is not None
    # Whom the management interface is open to, though.
    listening, _ = samba(lab, tickets["bob"], "seal")
    assert listening.get("result"), listening


def ticket_of_a_windows_domain(realm, folder, key, *groups):
    """A ticket of carol's for the node, with a PAC that names groups, made with this key as a domain's controller would."""
    ticketer = Path(sys.executable).with_name("ticketer.py")
    finished = subprocess.run(
        [
            sys.executable, str(ticketer), "-spn", f"host/{NODE}", "-domain", REALM, "-domain-sid", "S-1-5-21-1-2-3",
            "-aesKey", key, "-groups", ",".join(map(str, groups)), "-user-id", "1105", "carol",
        ],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return {**realm.environment, "KRB5CCNAME": str(folder / "carol.ccache")}


@pytest.mark.parametrize(("groups", "is_administrator"), [((513, 1200), True), ((513, 1201), False)])
def test_groups_of_a_pac(lab, realm, tmp_path, monkeypatch, groups, is_administrator):
    key = realm.key(realm.folder / "services.keytab", f"host/{NODE}")
    for name, value in ticket_of_a_windows_domain(realm, tmp_path, key, *groups).items():
        monkeypatch.setenv(name, value)
    carol = Credentials(REALM, "carol", "", service_host=NODE)
    with logged(lab, "carol"):
        assert (refusal(lab, carol) is None) == is_administrator


def test_a_forged_ticket(lab, realm, tmp_path, monkeypatch):
    for name, value in ticket_of_a_windows_domain(realm, tmp_path, "00" * 32, 1200).items():
        monkeypatch.setenv(name, value)
    with logged(lab, "clusprep setup keytab"):
        assert refusal(lab, Credentials(REALM, "carol", "", service_host=NODE)) is not None


# MARK: Who does not


def test_a_key_that_has_changed(lab, alice):
    with logged(lab, "clusprep setup keytab"):
        assert refusal(lab, alice(f"changed.{DOMAIN}")) is not None


def test_a_service_that_the_keytab_lacks(lab, alice):
    with logged(lab, "does not hold"):
        assert refusal(lab, alice(f"unknown.{DOMAIN}")) is not None


def test_an_expired_ticket(lab, realm, monkeypatch):
    cache = realm.folder / "short.ccache"
    environment = realm.login("alice", "alices", f"host/{NODE}", cache=cache, options=["-l", "8s"])
    for name, value in environment.items():
        monkeypatch.setenv(name, value.removeprefix("FILE:"))
    end = next(
        credential["time"]["endtime"]
        for credential in CCache.loadFile(str(cache)).credentials
        if b"host" in credential["server"].prettyPrint()
    )
    # The realm's clock skew is added to a ticket's time.
    wait_until(lambda: time.time() > end + 6, 60, "the ticket to expire")
    with logged(lab, "the ticket has expired"):
        assert refusal(lab, Credentials(REALM, "alice", "", service_host=NODE)) is not None


def test_a_wrong_clock(lab, alice, monkeypatch):
    original = kerberosv5.datetime

    class Shifted(original.datetime):
        @classmethod
        def now(cls, *arguments):
            return original.datetime.now(*arguments) + original.timedelta(hours=1)

    class Module:
        datetime = Shifted
        timezone, timedelta = original.timezone, original.timedelta

    monkeypatch.setattr(kerberosv5, "datetime", Module)
    with logged(lab, "set both by NTP"):
        assert refusal(lab, alice()) is not None


def test_a_replayed_token(lab, alice, monkeypatch):
    recorded = []
    original = kerberosv5.getKerberosType1

    def record(*arguments, **keywords):
        recorded.append(original(*arguments, **keywords))
        return recorded[-1]

    monkeypatch.setattr(kerberosv5, "getKerberosType1", record)
    assert refusal(lab, alice()) is None
    monkeypatch.setattr(kerberosv5, "getKerberosType1", lambda *_, **__: recorded[0])
    with logged(lab, "was used before"):
        assert refusal(lab, alice()) is not None


@pytest.mark.parametrize("where", ["stub", "signature"])
def test_an_altered_request(lab, alice, where):
    with activate(lab.nodes[0], alice(), csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup) as object_:
        assert object_.query(csvp.IID_IClusterSetup).ipid
        association: Association = object_.association
        send = association.transport.send

        def altering(pdu, *arguments, **keywords):
            changed = bytearray(pdu)
            changed[{"stub": 60, "signature": len(changed) - 10}[where]] ^= 1
            return send(bytes(changed), *arguments, **keywords)

        association.transport.send = altering
        with pytest.raises(Exception) as caught:
            object_.query(csvp.IID_IClusterSetup)
        if isinstance(caught.value, Fault):
            assert caught.value.status in (ACCESS_DENIED, 0x00000721, 0x1C010002)


# MARK: What an observer sees


def test_a_capture_decrypts_with_the_keytab(lab, realm, tickets, tmp_path):
    """To the end. What tshark (4.0) cannot open, whoever speaks: SHA-2, and impacket's tokens without the extra count that
    [MS-KILE] 3.4.5.4.1 asks for."""
    path = tmp_path / "kerberos.pcapng"
    with capture(lab, path):
        for enctype in ("aes128-sha1", "aes256-sha1", "rc4"):
            for level in LEVELS:
                samba(lab, tickets["alice"], level, host=f"{enctype}.{DOMAIN}")
        samba_program(lab, "smbtorture", "samba-testsuite", "krb5,seal", PASSWORD, "rpc.remact", folder=tmp_path)
        program("clusprep", "setup", "show", *node_options(lab), environment=tickets["alice"])

    def tshark(*arguments, keytab=realm.folder / "services.keytab"):
        finished = subprocess.run(
            [
                tool("tshark", "tshark"), "-n", "-r", str(path), "-o", "kerberos.decrypt:TRUE", "-K", str(keytab),
                *arguments,
            ],
            capture_output=True, text=True, timeout=180, env={**os.environ, "LC_ALL": "C"},
        )
        assert finished.returncode == 0, finished.stderr
        return [line for line in finished.stdout.splitlines() if line.strip()]

    nothing = "(dcerpc.pkt_type == 0 && dcerpc.cn_alloc_hint == 0 && dcerpc.auth_level == 6)"
    sealed = f"dcerpc.auth_level == 6 && (dcerpc.pkt_type == 0 || dcerpc.pkt_type == 2) && !{nothing}"
    opened = "(dcerpc.payload_stub_data || dcerpc.decrypted_stub_data || dcerpc.stub_data)"
    assert tshark("-Y", f"_ws.malformed && !{nothing}") == []
    assert tshark("-Y", sealed), "nothing was sealed"
    assert tshark("-Y", f"{sealed} && !{opened}") == []
    empty = tmp_path / "empty.keytab"
    empty.write_bytes(b"\x05\x02")
    assert tshark("-Y", f"{sealed} && {opened}", keytab=empty) == [], "opened without the keys"


# MARK: Our own programs


def program(name, *arguments, environment=None, **keywords):
    return subprocess.run(
        [str(binaries() / name), *map(str, arguments)], capture_output=True, text=True, timeout=300,
        stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}, **keywords,
    )


def node_options(lab, principal=f"host/{NODE}@{REALM}"):
    node = lab.nodes[0]
    return "--node", node["address"], "--port", node["endpointMapperPort"], "--kerberos", "--principal", principal


def test_the_tool(lab, tickets):
    finished = program("clusprep", "setup", "show", *node_options(lab), environment=tickets["alice"])
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(
    ("principal", "words"),
    [(f"host/nowhere.{DOMAIN}@{REALM}", "the domain knows no service"), (f"host/unknown.{DOMAIN}@{REALM}", "")],
)
def test_the_tool_says_what_is_wrong(lab, tickets, principal, words):
    finished = program("clusprep", "setup", "show", *node_options(lab, principal), environment=tickets["alice"])
    assert finished.returncode == 1
    assert words in finished.stderr, finished.stderr


def test_the_tool_without_tickets(lab, realm):
    environment = {**realm.environment, "KRB5CCNAME": f"FILE:{realm.folder / 'none'}"}
    finished = program("clusprep", "setup", "show", *node_options(lab), environment=environment)
    assert finished.returncode == 1
    assert "kinit" in finished.stderr, finished.stderr


def test_a_keytab_is_checked(realm):
    keytab = realm.folder / "services.keytab"
    good = program("clusprep", "setup", "keytab", "--check", keytab, "--fqdn", NODE)
    assert good.returncode == 0, good.stderr
    assert f"host/{NODE}@{REALM}" in good.stdout
    bad = program("clusprep", "setup", "keytab", "--check", keytab, "--fqdn", f"other.{DOMAIN}")
    assert bad.returncode == 1 and f"RPCSS/other.{DOMAIN}@{REALM}" in bad.stderr
    missing = program("clusprep", "setup", "keytab", "--check", keytab.with_name("none"), "--fqdn", NODE)
    assert missing.returncode == 1 and "there is no keytab" in missing.stderr


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0o600, "there is no keytab"),
        (b"no keytab", 0o600, "cannot be read"),
        (b"\x05\x02", 0o600, "holds no keys"),
        (b"\x05\x02", 0o644, "everybody may read"),
    ],
)
def test_the_daemon_says_what_is_wrong_with_its_keytab(tmp_path, content, mode, words):
    keytab = tmp_path / "node.keytab"
    if content is not None:
        keytab.write_bytes(content)
        keytab.chmod(mode)
    finished = program(
        "clusprepd", "--state-folder", tmp_path / "state", "--log-folder", tmp_path / "logs", "--listen", "127.0.0.1",
        "--endpoint-mapper-port", 0, "--kerberos-keytab", keytab, "--share-folder", tmp_path / "shares",
    )
    assert finished.returncode == 1, finished.stderr
    assert words in finished.stderr and str(keytab) in finished.stderr, finished.stderr
