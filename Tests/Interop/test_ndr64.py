"""NDR64 ([MS-RPCE] 2.2.5) with Samba's client, whose marshalling of it is its own; impacket has none."""

import json
import subprocess
from pathlib import Path

import pytest

PYTHON = Path("/usr/bin/python3")
PROGRAM = Path(__file__).with_name("samba_ndr64.py")


def samba(lab, options, user=True):
    """What Samba's client makes of mgmt under a binding's options."""
    if subprocess.run([PYTHON, "-c", "import samba.dcerpc.mgmt"], capture_output=True).returncode:
        pytest.skip("the system's Python has no Samba: apt-get install python3-samba")
    node = lab.nodes[0]
    binding = f"ncacn_ip_tcp:{node['address']}[{node['endpointMapperPort']},{options}]"
    identity = [lab.domain, lab.user, lab.password] if user else []
    finished = subprocess.run(
        [PYTHON, PROGRAM, binding, *identity], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@pytest.mark.parametrize("protection", ["connect", "ntlm,sign", "ntlm,seal", "spnego,seal"])
def test_samba_hears_the_same_in_both(lab, protection):
    user = protection != "connect"
    wide = samba(lab, f"{protection},ndr64", user)
    assert wide == samba(lab, protection, user)
    assert wide["listening"] and len(wide["interfaces"]) >= 2
