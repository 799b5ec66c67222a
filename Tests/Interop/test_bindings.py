"""Samba's clients over every kind of binding: how they authenticate, how they protect, how they write numbers.

A call goes through the generated stubs of Samba's Python, so that both sides' marshalling, sealing and negotiation have to agree.
[krb5] needs a realm: see test_kerberos.py, which takes `calls` and the options from here.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from impacket.dcerpc.v5 import epm, transport
from impacket.uuid import uuidtup_to_bin
from lab import tool

SCRIPT = Path(__file__).with_name("samba_calls.py")
#: The Python that the distribution's python3-samba belongs to.
PYTHON = "/usr/bin/python3"
TIMEOUT = 120

#: Who the client is, by Samba's name for it.
MECHANISMS = ["ntlm", "spnego"]
#: What it protects; integrity is the least that the node's own interfaces take.
LEVELS = ["sign", "seal"]
#: How it writes.
FORMS = ["", "bigendian", "ndr64"]

IREMUNKNOWN2 = "00000143-0000-0000-c000-000000000046"


def calls(host, options, account, *names, environment=None):
    """What samba_calls.py printed: a list, one entry a call."""
    finished = subprocess.run(
        [PYTHON, str(SCRIPT), host, ",".join(str(option) for option in options if option), *account, *names],
        capture_output=True, text=True, timeout=TIMEOUT, env={**os.environ, **(environment or {})},
    )
    lines = [json.loads(line) for line in finished.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == len(names), f"{finished.returncode}\n{finished.stdout}\n{finished.stderr}"
    return lines


@pytest.fixture(scope="module", autouse=True)
def samba():
    probe = subprocess.run([PYTHON, "-c", "import samba.dcerpc.mgmt"], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip("Samba's Python is missing: install python3-samba")


@pytest.fixture(scope="module")
def ports(lab):
    """The node's two ports: the endpoint mapper's, and what that says of the objects'."""
    node = lab.nodes[0]
    mapper = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:{node['address']}[{node['endpointMapperPort']}]").get_dce_rpc()
    mapper.connect()
    found = epm.hept_map(node["address"], uuidtup_to_bin((IREMUNKNOWN2, "0.0")), protocol="ncacn_ip_tcp", dce=mapper)
    mapper.disconnect()
    return {"mapper": node["endpointMapperPort"], "exporter": int(found.split("[")[1].rstrip("]"))}


@pytest.fixture(scope="module")
def account(lab):
    return lab.domain, lab.user, lab.password


@pytest.mark.parametrize("port", ["mapper", "exporter"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_calls(lab, account, ports, mechanism, level, form, port):
    options = (ports[port], mechanism, level, form)
    listening, interfaces = calls(lab.nodes[0]["address"], options, account, "mgmt", "interfaces")
    assert listening.get("result"), listening
    assert interfaces.get("result", 0) >= 2, interfaces


@pytest.mark.parametrize("options", [(), ("bigendian",), ("ndr64",)])
def test_nobody(lab, options):
    """The management interface is for everybody."""
    node = lab.nodes[0]
    (listening,) = calls(node["address"], (node["endpointMapperPort"], *options), ("", "", ""), "mgmt")
    assert listening.get("result"), listening


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("level", LEVELS)
def test_wrong_password(lab, ports, mechanism, level):
    account = lab.domain, lab.user, "wrong"
    (answer,) = calls(lab.nodes[0]["address"], (ports["exporter"], mechanism, level), account, "mgmt")
    assert "error" in answer, answer


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("form", ["", "bigendian"])
def test_rpcclient(lab, mechanism, level, form):
    node = lab.nodes[0]
    if node["endpointMapperPort"] != 135:
        pytest.skip("rpcclient asks the endpoint mapper at port 135: run as root")
    options = ",".join(filter(None, (mechanism, level, form)))
    finished = subprocess.run(
        [
            tool("rpcclient", "smbclient"), f"ncacn_ip_tcp:{node['address']}[{options}]",
            "-U", f"{lab.domain}\\{lab.user}%{lab.password}", "-c", "epmlookup",
        ],
        capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL,
    )
    assert finished.returncode == 0 and "ncacn_ip_tcp" in finished.stdout, finished.stdout + finished.stderr


def torture(lab, suite, folder, *options):
    """(what became of the suite's tests, all that smbtorture printed)."""
    node = lab.nodes[0]
    if node["endpointMapperPort"] != 135:
        pytest.skip("smbtorture asks the endpoint mapper at port 135: run as root")
    finished = subprocess.run(
        [
            tool("smbtorture", "samba-testsuite"), f"ncacn_ip_tcp:{node['address']}[{','.join(filter(None, options))}]",
            "-U", f"{lab.domain}\\{lab.user}%{lab.password}", suite,
        ],
        capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL, cwd=folder,
    )
    text = finished.stdout + finished.stderr
    return {line.split(":")[0] for line in text.splitlines()} & {"success", "failure", "error", "skip"}, text


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("form", ["", "bigendian"])
@pytest.mark.parametrize("suite", ["rpc.oxidresolve", "rpc.remact"])
def test_smbtorture(lab, mechanism, form, suite, tmp_path):
    words, text = torture(lab, suite, tmp_path, mechanism, "seal", form)
    assert words == {"success"}, text


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("level", ["connect", "packet"])
def test_too_little_protection(lab, mechanism, level, tmp_path):
    """Activation takes integrity at least, whoever asks ([MS-RPCE] 2.2.1.1.8); what follows it takes privacy."""
    words, text = torture(lab, "rpc.remact", tmp_path, mechanism, level)
    assert words and "success" not in words, text
    assert "ACCESS_DENIED" in text, text
