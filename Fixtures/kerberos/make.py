#!/usr/bin/env python3
"""Makes the tickets and keys of this folder anew, with MIT's KDC and with impacket's ticketer.py (see README.md)."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "Tests" / "Interop"))

from kdc import ENCTYPES, KDC  # noqa: E402

#: Until 2081, and within the 32 bits that Kerberos counts seconds with.
LIFE = "20000d"
DOMAIN = "clusprep.test"
PAC_SERVICE = f"host/pac.{DOMAIN}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        with KDC(Path(folder) / "kdc", tickets=LIFE) as kdc:
            kdc.add_user("alice", "password")
            services = [f"host/{name}.{DOMAIN}" for name in ENCTYPES]
            for service, enctype in zip(services, ENCTYPES.values()):
                kdc.add_service(service, [enctype])
            kdc.add_service(PAC_SERVICE)
            keytab = kdc.keytab(*services, PAC_SERVICE)
            kdc.login("alice", "password", *services, options=["-l", LIFE])
            pac_key = kdc.key(keytab, PAC_SERVICE)
            shutil.copy(keytab, HERE / "services.keytab")
            shutil.copy(kdc.folder / "alice.ccache", HERE / "alice.ccache")
        # A ticket with the PAC that a Windows domain would put into it; hours, for this tool.
        subprocess.run(
            ["ticketer.py", "-spn", PAC_SERVICE, "-domain", kdc.realm, "-domain-sid", "S-1-5-21-1-2-3",
             "-aesKey", pac_key, "-groups", "513,1200", "-user-id", "1105",
             "-extra-sid", "S-1-5-21-9-8-7-1001", "-duration", str(20000 * 24), "alice"],
            cwd=folder, check=True, env=os.environ,
        )
        shutil.copy(Path(folder) / "alice.ccache", HERE / "alice-pac.ccache")
    os.chmod(HERE / "services.keytab", 0o644)


main()
