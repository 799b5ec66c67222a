"""IClusterSetup's levels and certificates ([MS-CSVP] 3.10.4.4 to 3.10.4.11), judged by the openssl command."""

import json
import os
import re
import subprocess

import csvp
import pytest
from conftest import Clients
from csvp import E_NOTIMPL, ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, S_OK
from csvp_setup import (
    KINDS,
    Certificates,
    Cluster_PKU2U,
    Cluster_SChannel,
    ClusterCert,
    ClusterSet_PKU2U,
    raw_call,
)
from dcom import Credentials, Fault
from lab import binaries, tool


def clients_of(nodes):
    return Clients(nodes.lab, Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password))


@pytest.fixture
def certificates(clients):
    return Certificates(clients.setup())


def openssl(*arguments, data: bytes | None = None) -> bytes:
    done = subprocess.run([tool("openssl", "openssl"), *map(str, arguments)], input=data, capture_output=True)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr.decode()}"
    return done.stdout


def sample(number: int) -> ClusterCert:
    return ClusterCert(b"certificate %d" % number, b"key %d" % number, f"secret {number}")


# Levels


def test_levels(certificates):
    # Product behaviour notes 31 and 35: the protocol's current revision is Windows Server 2025's.
    assert certificates.functional_level() == (S_OK, 12)
    assert certificates.upgrade_version() == (S_OK, 4)


@pytest.mark.parametrize(
    "settings, level, upgrade",
    [
        ({"functional_level": "9"}, 9, 8),
        ({"functional_level": "10"}, 10, 3),
        ({"functional_level": "11"}, 11, 4),
        ({"presented_version": "10.0"}, 12, 4),
        ({"presented_version": "6.3"}, None, None),
    ],
    ids=str,
)
def test_levels_of_a_node_that_presents_less(daemons, settings, level, upgrade):
    """Notes 31 to 38: what the presented Windows does not have is not implemented here either."""
    nodes = daemons(nodes=1, disks=1, **settings)
    nodes.start()
    clients = clients_of(nodes)
    certificates = Certificates(clients.setup())
    if level is None:
        assert certificates.functional_level()[0] == E_NOTIMPL
        assert certificates.upgrade_version()[0] == E_NOTIMPL
    else:
        assert certificates.functional_level() == (S_OK, level)
        assert certificates.upgrade_version() == (S_OK, upgrade)
    assert certificates.retrieve()[0] == (E_NOTIMPL if level is None else ERROR_FILE_NOT_FOUND)
    has_types = level is not None and level >= 10
    assert certificates.retrieve(Cluster_SChannel)[0] == (ERROR_FILE_NOT_FOUND if has_types else E_NOTIMPL)
    clients.close()
    nodes.stop()


@pytest.mark.parametrize("opnum", [7, 8, 13])
def test_opnums_reserved_for_local_use(certificates, opnum):
    assert raw_call(certificates.proxy, opnum, b"") == (E_NOTIMPL, b"")


# Certificates that are made


@pytest.mark.parametrize("kind", KINDS)
def test_a_generated_certificate(certificates, lab, kind, tmp_path):
    code, made = certificates.generate(kind, ClusterCert(b"", b"", "as it came"))
    assert code == S_OK
    assert made.secret == "as it came", "what is generated is a certificate"
    cert, key = tmp_path / "cert.der", tmp_path / "key.der"
    cert.write_bytes(made.cert)
    key.write_bytes(made.key)
    text = openssl("x509", "-inform", "DER", "-in", cert, "-noout", "-text").decode()
    label = re.split(r"\.", lab.nodes[0].get("fqdn", lab.nodes[0]["name"]))[0].lower()
    name = re.search(r"Subject: CN = (\S+)", text)[1]
    if kind == Cluster_PKU2U:
        assert name == "CLIUSR"
    elif kind == ClusterSet_PKU2U:
        assert name == "CSUSR"
    else:
        assert name.lower().partition(".")[0] == label
        assert f"DNS:{name}" in text
    assert f"Issuer: CN = {name}" in text
    assert "Version: 3 (0x2)" in text and "CA:FALSE" in text
    assert "sha256WithRSAEncryption" in text and "Public-Key: (3072 bit)" in text
    assert "Digital Signature, Key Encipherment" in text
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in text

    pem = tmp_path / "cert.pem"
    openssl("x509", "-inform", "DER", "-in", cert, "-out", pem)
    for purpose in ("sslserver", "sslclient"):
        assert openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", pem, pem).endswith(b": OK\n")
    # Good now, and for years.
    openssl("x509", "-in", pem, "-noout", "-checkend", 9 * 365 * 86400)
    # The key is the certificate's: what it signs, the certificate verifies.
    assert b"valid" in openssl("pkey", "-inform", "DER", "-in", key, "-check", "-noout")
    (tmp_path / "public").write_bytes(openssl("x509", "-in", pem, "-noout", "-pubkey"))
    (tmp_path / "text").write_bytes(b"signed")
    openssl("dgst", "-sha256", "-sign", key, "-keyform", "DER", "-out", tmp_path / "signature", tmp_path / "text")
    openssl("dgst", "-sha256", "-verify", tmp_path / "public", "-signature", tmp_path / "signature", tmp_path / "text")


def test_every_one_is_another(certificates):
    first, second = certificates.generate()[1], certificates.generate()[1]
    assert first.cert != second.cert and first.key != second.key


def test_what_comes_in_is_not_looked_at(certificates):
    code, made = certificates.generate(came=ClusterCert(b"x" * 100, b"y", "z", cb_cert=0xFFFFFFFF, cb_key=0x7FFFFFFF))
    assert code == S_OK and made.cert[:1] == b"\x30" and made.secret == "z"


# Certificates that are kept


def test_each_kind_is_kept_by_itself_and_outlives_the_node(daemons):
    nodes = daemons(nodes=1, disks=1)
    nodes.start()
    clients = clients_of(nodes)
    setup = clients.setup()
    certificates = Certificates(setup)
    for kind in KINDS:
        assert certificates.retrieve(kind)[0] == ERROR_FILE_NOT_FOUND
    for number, kind in enumerate(KINDS):
        for other in KINDS[number:]:
            assert certificates.retrieve(other)[0] == ERROR_FILE_NOT_FOUND, "each needs a call of its own"
        assert certificates.configure(sample(100 + number), kind) == S_OK
        assert certificates.configure(sample(number), kind) == S_OK, "overwrites"
    # Nothing of it is the secret of ConfigSvcSecret.
    assert setup.retrieve_secret() == (ERROR_FILE_NOT_FOUND, None)
    nodes.kill(0)
    setup.proxy.object.association.abort()

    nodes.start(0)
    clients = clients_of(nodes)
    certificates = Certificates(clients.setup())
    for number, kind in enumerate(KINDS):
        assert certificates.retrieve(kind) == (S_OK, sample(number))
    clients.close()
    nodes.stop()


def test_what_one_node_makes_another_keeps(clients):
    made = Certificates(clients.setup(node=0)).generate(Cluster_SChannel)[1]
    made.secret = "ünd ein Geheimnis mit 32 Zeichen"
    assert len(made.secret) == 32
    there = Certificates(clients.setup(node=1))
    assert there.configure(made, Cluster_SChannel) == S_OK
    assert there.retrieve(Cluster_SChannel) == (S_OK, made)


def test_a_foreign_certificate(certificates, tmp_path):
    """An EC certificate of openssl's, and a key that is not its own."""
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=foreign",
        "-days", 1, "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem",
    )  # fmt: skip
    cert = openssl("x509", "-in", tmp_path / "cert.pem", "-outform", "DER")
    key = openssl("pkcs8", "-topk8", "-nocrypt", "-in", tmp_path / "key.pem", "-outform", "DER")
    foreign = ClusterCert(cert, key, "secret")
    assert certificates.configure(foreign) == S_OK
    assert certificates.retrieve() == (S_OK, foreign)
    other = certificates.generate()[1]
    assert certificates.configure(ClusterCert(cert, other.key, "secret")) == ERROR_INVALID_PARAMETER
    assert certificates.retrieve() == (S_OK, foreign), "and nothing has changed"


def test_other_systems_forms_are_kept_as_they_are(certificates):
    blobs = ClusterCert(os.urandom(5120), os.urandom(10240), "x" * 32)
    assert certificates.configure(blobs) == S_OK
    assert certificates.retrieve() == (S_OK, blobs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "lie",
    [
        dict(cb_cert=0), dict(cb_cert=5121), dict(cb_cert=0x80000000), dict(cb_cert=0xFFFFFFFF),
        dict(cb_key=0), dict(cb_key=10241), dict(cb_key=0x80000000), dict(cb_key=0xFFFFFFFF),
        dict(raw_secret=b"A\0" * 33),
    ],
    ids=str,
)  # fmt: skip
def test_lengths_that_lie(certificates, survives, kind, lie):
    before = certificates.retrieve(kind)
    assert certificates.configure(ClusterCert(b"certificate", b"key", **lie), kind) == ERROR_INVALID_PARAMETER
    assert certificates.retrieve(kind) == before


@pytest.mark.parametrize("kind", [4, 0x7FFF])
def test_types_that_are_none(certificates, survives, kind):
    assert certificates.configure(sample(1), kind) == ERROR_INVALID_PARAMETER
    assert certificates.retrieve(kind)[0] == ERROR_INVALID_PARAMETER
    assert certificates.generate(kind)[0] == ERROR_INVALID_PARAMETER


@pytest.mark.parametrize("opnum", [9, 11, 14, 16])
def test_structures_that_are_cut(clients, certificates, survives, opnum):
    whole = sample(1).pack()
    for body in [b"", whole[:7], whole[:-1]]:
        with pytest.raises(Fault):
            raw_call(Certificates(clients.setup()).proxy, opnum, body)
    assert certificates.functional_level()[0] == S_OK


def test_nothing_is_in_clear_on_the_disk(daemons, tmp_path):
    nodes = daemons(nodes=1, disks=1)
    nodes.start()
    clients = clients_of(nodes)
    certificates = Certificates(clients.setup())
    secret = os.urandom(16).hex()
    first, second = certificates.generate()[1], certificates.generate(Cluster_PKU2U)[1]
    first.secret = second.secret = secret
    assert certificates.configure(first) == S_OK
    assert certificates.configure(second, Cluster_PKU2U) == S_OK
    clients.close()
    nodes.stop()
    for folder, _, names in os.walk(tmp_path):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                content = file.read()
            for needle in (first.key[-64:], second.key[-64:], first.cert[-64:], secret.encode(), secret.encode("utf-16-le")):
                assert needle not in content, path


# The command line


def clusprep(*arguments, stdin: str = "", status: int = 0) -> str:
    done = subprocess.run(
        [binaries() / "clusprep", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_command_on_a_state_folder(tmp_path):
    place = ("--state-folder", tmp_path / "state")
    shown = json.loads(clusprep("setup", "show", "--json", *place))
    assert shown["hasSecret"] is False and shown["certificates"] == [] and "membership" not in shown
    assert clusprep("setup", "secret", "show", *place, status=2) == ""
    clusprep("setup", "secret", "set", *place, stdin="geheim\n")
    assert clusprep("setup", "secret", "show", *place) == "geheim\n"
    clusprep("setup", "secret", "set", "--hex", *place, stdin="00ff7f\n")
    assert json.loads(clusprep("setup", "secret", "show", "--json", *place)) == {"secret": "00ff7f"}
    clusprep("setup", "secret", "set", "--hex", *place, stdin="+f\n", status=1)
    clusprep("setup", "join", "blue", *place)
    clusprep("setup", "join", "red", *place, status=1)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    kind = ("--type", "cluster-schannel")
    fingerprint = clusprep(
        "setup", "certificates", "generate", "--install", *kind, "--certificate", cert, "--key", key, *place
    ).strip()
    assert key.stat().st_mode & 0o777 == 0o600
    theirs = openssl("x509", "-in", cert, "-noout", "-fingerprint", "-sha256").decode()
    assert theirs.partition("=")[2].strip().replace(":", "").lower() == fingerprint
    assert b"CN = blue" in openssl("x509", "-in", cert, "-noout", "-subject")
    assert clusprep("setup", "certificates", "export", *kind, *place) == cert.read_text()
    clusprep("setup", "certificates", "export", "--type", "cluster-pku2u", *place, status=2)
    clusprep(
        "setup", "certificates", "import", "--type", "clusterset-schannel", "--secret", "--certificate", cert, "--key", key,
        *place, stdin="mit Geheimnis\n",
    )  # fmt: skip
    shown = json.loads(clusprep("setup", "show", "--json", *place))
    assert [(entry["type"], entry["hasSecret"]) for entry in shown["certificates"]] == [
        ("cluster-schannel", False), ("clusterset-schannel", True),
    ]  # fmt: skip
    assert shown["membership"]["cluster"] == "blue"
    clusprep("setup", "certificates", "generate", *place, status=64)


def test_the_command_on_another_node(lab, clients, tmp_path):
    node = lab.nodes[0]
    where = ("--node", node["address"], "--port", node["endpointMapperPort"], "--user", f"{lab.domain}\\{lab.user}")
    password = lab.password + "\n"
    shown = json.loads(clusprep("setup", "levels", "--json", *where, stdin=password))
    assert shown == {"functional": 12, "upgrade": 4}
    clusprep("setup", "secret", "set", *where, stdin=password + "von fern\n")
    assert clients.setup().retrieve_secret() == (S_OK, "von fern".encode("utf-16-le"))
    assert clusprep("setup", "secret", "show", *where, stdin=password) == "von fern\n"
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    clusprep(
        "setup", "certificates", "generate", "--type", "cluster-pku2u", "--install", "--certificate", cert, "--key", key,
        *where, stdin=password,
    )  # fmt: skip
    code, kept = Certificates(clients.setup()).retrieve(Cluster_PKU2U)
    assert code == S_OK
    assert openssl("x509", "-in", cert, "-outform", "DER") == kept.cert
    assert csvp.S_OK == code
    shown = json.loads(clusprep("setup", "show", "--json", *where, stdin=password))
    assert "membership" not in shown
    assert "cluster-pku2u" in [entry["type"] for entry in shown["certificates"]]
    clusprep("setup", "levels", *where, stdin="falsch\n", status=1)
