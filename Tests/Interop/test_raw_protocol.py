"""Samba's tests of DCE/RPC servers, which Samba's developers run against Windows, against the daemon."""

import os
import re
import subprocess
import sys

import pytest
from lab import Lab

PYTHON = "/usr/bin/python3"  # Samba's modules are the system's
SUITE = "samba.tests.dcerpc.raw_protocol"
#: How many security contexts a connection may have.
CONTEXTS = 256

#: What cannot pass, and why.
REASONS = {
    r"(first|2nd|last|none|mix)_\w*requests?|fragmented_requests\d+": "asks Netlogon",
    r"lsa_\w+|assoc_group_(ok2|fail3)": "asks the LSA, or comes by SMB",
    r"krb5_\w+": "needs a domain; test_kerberos.py has one",
    r"spnego_multiple_auth_hdr_signing": "knows by Kerberos whether headers are signed; NTLM always signs them",
    r"(spnego|ntlmssp)_auth_pad_ok|spnego_connect_\w+|spnego_\w+_downgrade_connect": "comes as nobody, whom we refuse",
    r"orphaned_\w+|\w+_signing_(packet|integrity)": "[C706] 12.6.4.10: a context has sixteen bits, not eight",
    r"spnego_call_bind": "[MS-RPCE] 2.2.1.1.8: the level call must be taken for packet",
    r"spnego_(packet|integrity)_bind_none": "[MS-RPCE] 3.3.1.5.2.2: what cannot be protected is refused with its token",
}


def reason(test: str) -> str | None:
    return next((text for name, text in REASONS.items() if re.fullmatch(f"test_(?:{name})", test)), None)


def test_what_samba_expects_of_windows(tmp_path):
    found = subprocess.run([PYTHON, "-c", f"import {SUITE}"], capture_output=True)
    if found.returncode != 0:
        pytest.skip("Samba's tests are not installed: apt-get install python3-samba")
    lab = Lab(tmp_path / "lab", nodes=1, disks=1)
    try:
        node = lab.nodes[0]
        if node["endpointMapperPort"] != 135:
            pytest.skip("Samba's tests know no port but 135: run as root")
        folders = ["private dir", "state directory", "cache directory", "lock directory", "pid directory"]
        configuration = tmp_path / "smb.conf"
        configuration.write_text(
            f"[global]\nworkgroup = {lab.domain}\n" + "".join(f"{name} = {tmp_path}\n" for name in folders)
        )
        finished = subprocess.run(
            [PYTHON, "-m", "unittest", "-v", SUITE],
            env={
                **os.environ, "SERVER": node["address"], "TARGET_HOSTNAME": node["address"], "DOMAIN": lab.domain,
                "USERNAME": lab.user, "PASSWORD": lab.password, "REALM": "", "SMB_CONF_PATH": str(configuration),
                "IGNORE_RANDOM_PAD": "1", "MAX_NUM_AUTH": str(CONTEXTS),
            },
            capture_output=True, text=True, timeout=150,
        )  # fmt: skip
    finally:
        lab.stop()
    results = dict(re.findall(r"^(?:ERROR|FAIL): (test_\w+) .*\n-+\n((?:.*\n)*?)(?===|--)", finished.stderr, re.M))
    ran = int(re.search(r"^Ran (\d+) tests", finished.stderr, re.M)[1])
    unexplained = {test: text for test, text in results.items() if reason(test) is None}
    for test, text in unexplained.items():
        print(f"{test}\n{text}", file=sys.stderr)
    assert not unexplained
    assert ran - len(results) >= 125
