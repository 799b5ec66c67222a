"""No secret, hash or token reaches a log: a session with everything secret in it, and then a search of all that was logged."""

import base64
import contextlib
import os
import struct
import uuid

import pytest
from conftest import QUICK, Clients
from csvp import S_OK
from dcom import Credentials, new_orpcthis
from impacket.ntlm import compute_nthash
from lab import Lab
from logs import LOCAL_TIME, Logs


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Nodes that say all they have to say."""
    running = Lab(tmp_path_factory.mktemp("lab") / "shared", CLUSPREPD_LOG_LEVEL="trace", **QUICK)
    yield running
    running.stop()


def representations(secret: bytes) -> dict[str, bytes]:
    """What a careless program could have written for it."""
    text = secret.decode("utf-8", "ignore")
    found = {
        "octets": secret,
        "hexadecimal": secret.hex().encode(),
        "HEXADECIMAL": secret.hex().upper().encode(),
        "hexadecimal with spaces": secret.hex(" ").encode(),
        "hexadecimal with dashes": secret.hex("-").upper().encode(),
        "base64": base64.b64encode(secret).rstrip(b"="),
        "a list of numbers": ", ".join(str(octet) for octet in secret).encode(),
    }
    if text and text.encode() == secret:
        wide = text.encode("utf-16-le")
        found |= {"UTF-16": wide, "UTF-16 in hexadecimal": wide.hex().encode(), "UTF-16 in base64": base64.b64encode(wide)[:-4]}
    return found


def everything_logged(lab: Lab) -> dict[str, bytes]:
    """The daemons' standard error, their stores of events, and the log files that were made."""
    found = {str(lab.log): lab.log.read_bytes()}
    for node in lab.nodes:
        folder = lab.folder / node["name"]
        for path in [*folder.glob("state/events/*"), *folder.glob("logs/*"), *folder.glob("*.log")]:
            if path.is_file():
                found[str(path)] = path.read_bytes()
    return found


def test_no_secret_reaches_a_log(lab, credentials, survives):
    clients = Clients(lab, credentials)
    secrets = {"the user's password": lab.password.encode(), "the user's hash": compute_nthash(lab.password)}

    wrong = "Wr0ng-" + uuid.uuid4().hex
    secrets["a wrong password"] = wrong.encode()
    secrets["its hash"] = compute_nthash(wrong)
    for user in (lab.user, "nobody-" + uuid.uuid4().hex):
        stranger = Clients(lab, Credentials(lab.domain, user, wrong))
        with pytest.raises(Exception):  # noqa: B017 - whatever refuses it
            stranger.setup()
        stranger.close()

    service = "Serv1ce-" + uuid.uuid4().hex
    secrets["the service secret"] = service.encode()
    setup = clients.setup()
    assert setup.config_secret(service.encode("utf-16-le")) == S_OK
    assert setup.retrieve_secret() == (S_OK, service.encode("utf-16-le"))

    # GenerateClusterCert (opnum 11) with a CLUSTER_CERT whose secret is ours, RetrieveClusterCert (10), ConfigClusterCert (9).
    cluster_secret = uuid.uuid4().hex
    secrets["the cluster's secret"] = cluster_secret.encode()
    certificate = bytes(8 + 5120 + 10240) + (cluster_secret + "\0").encode("utf-16-le")
    for opnum, arguments in ((11, certificate), (10, b""), (9, certificate)):
        with contextlib.suppress(Exception):  # whatever the node makes of it, it does not log it
            answer = setup.proxy.call_raw((opnum, new_orpcthis().getData() + arguments))[8:]
            (count,) = struct.unpack_from("<L", answer, 4)
            key = answer[8 + 5120 : 8 + 5120 + count]
            if len(key) >= 64:
                secrets[f"the certificate's key of opnum {opnum}"] = key[len(key) // 2 : len(key) // 2 + 32]

    if os.geteuid() == 0 and all("sharePort" in node for node in lab.nodes):
        from shares import Shares, ShareTest

        shares, test = Shares(clients), ShareTest("Te5t-" + uuid.uuid4().hex)
        secrets |= {
            "a test's text": test.secret.encode(), "a test's password": test.password.encode(),
            "a test's token": test.token.encode(), "a test's hash": compute_nthash(test.password),
        }
        shares.setup(test)
        other = Shares(clients, 1)
        other.setup(test)
        other.connect_to("\\\\" + lab.nodes[0]["address"])

    logs = Logs(clients)
    for opnum in (3, 4, 5, 8):
        logs.extended(opnum, 0xFFFFFFFF, LOCAL_TIME)
    logs.network(0xFFFFFFFF, 3)
    logs.performance(None)
    logs.log_ex2(0, 0xFFFFFFFF, 0, 1)
    clients.close()

    logged = everything_logged(lab)
    assert any("state/events/events-" in path for path in logged), "there is no store of events"
    assert any(b"logon refused" in octets for octets in logged.values()), "the session is not in the log at all"
    found = [
        f"{name} as {form} in {path}"
        for name, secret in secrets.items()
        for form, octets in representations(secret).items()
        for path, content in logged.items()
        if octets in content
    ]
    assert found == []
