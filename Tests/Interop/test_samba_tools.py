"""Samba's clients: smbtorture's DCOM and endpoint-mapper suites, and rpcclient."""

import subprocess
import tempfile

import pytest
from lab import tool

TIMEOUT = 180


def run(lab, *command, index=0):
    node = lab.nodes[index]
    arguments = [str(word) for word in command]
    # smbtorture leaves a folder where it is run.
    with tempfile.TemporaryDirectory() as folder:
        finished = subprocess.run(
            arguments, capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL, cwd=folder
        )
    return finished.returncode, f"{node['name']}: {' '.join(arguments)}\n{finished.stdout}{finished.stderr}"


def torture(lab, test, index=0):
    """(what smbtorture said of each test, all that it printed)."""
    node = lab.nodes[index]
    if node["endpointMapperPort"] != 135:
        pytest.skip("smbtorture asks the endpoint mapper at port 135: run as root")
    _, text = run(
        lab,
        tool("smbtorture", "samba-testsuite"),
        f"ncacn_ip_tcp:{node['address']}[ntlm,seal]",
        "-U",
        f"{lab.domain}\\{lab.user}%{lab.password}",
        test,
        index=index,
    )
    results = {}
    for line in text.splitlines():
        for word in ("success", "failure", "error", "skip"):
            if line.startswith(word + ": "):
                results[line.split(":", 1)[1].split("[")[0].strip()] = word
    return results, text


@pytest.mark.parametrize("suite", ["rpc.oxidresolve", "rpc.remact", "rpc.asyncbind"])
@pytest.mark.parametrize("index", [0, 1])
def test_suites_that_pass_whole(lab, suite, index):
    results, text = torture(lab, suite, index)
    assert results and set(results.values()) == {"success"}, text


def test_endpoint_mapper(lab):
    """Two tests insert a mapping of their own first, which Windows and we refuse ([MS-RPCE] 2.2.1.2.6)."""
    results, text = torture(lab, "rpc.epmapper")
    failed = {name for name, word in results.items() if word != "success"}
    passed = {"epmapper.Map_simple", "epmapper.Lookup_simple", "epmapper.Lookup_terminate_search"}
    assert passed <= set(results) - failed, text
    assert failed <= {"epmapper.Map_full", "epmapper.Insert_noreplace"}, text


@pytest.mark.parametrize("options", ["", "[ntlm,sign]", "[ntlm,seal]"])
def test_rpcclient_lookup(lab, options):
    node = lab.nodes[0]
    if node["endpointMapperPort"] != 135:
        pytest.skip("rpcclient asks the endpoint mapper at port 135: run as root")
    code, text = run(
        lab,
        tool("rpcclient", "smbclient"),
        f"ncacn_ip_tcp:{node['address']}{options}",
        "-U",
        f"{lab.domain}\\{lab.user}%{lab.password}",
        "-c",
        "epmlookup",
    )
    assert code == 0, text
    assert "ncacn_ip_tcp" in text, text
