"""Samba's RPC server, in a folder and at an address of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from lab import listens, wait_until
from protocol_peer import Target

PROGRAM = Path("/usr/libexec/samba/samba-dcerpcd")
ADDRESS, PORT = "127.0.0.9", 135
PASSWORD = "N0t-a-secret"
#: Its accounts are those of system users that exist everywhere.
ACCOUNTS = {"admin": "root", "user": "nobody"}
FOLDERS = ["private", "state", "cache", "lock", "pid", "ncalrpc"]


class SambaServer:
    """`samba-dcerpcd` with its helpers. Its endpoint mapper's port is fixed, so it needs root."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.chmod(0o755)

    @staticmethod
    def obstacle() -> str | None:
        """Why it cannot be started here."""
        if not PROGRAM.exists():
            return f"{PROGRAM} is missing: apt-get install samba"
        if os.geteuid() != 0:
            return "port 135 needs root"
        return f"port {PORT} of {ADDRESS} is taken" if listens(ADDRESS, PORT) else None

    def __enter__(self) -> Target:
        options = {
            "workgroup": "TEST", "netbios name": "PEER", "server role": "standalone server",
            "passdb backend": f"tdbsam:{self.folder}/private/passdb.tdb", "interfaces": f"{ADDRESS}/8",
            "bind interfaces only": "yes", "rpc start on demand helpers": "no",
        }  # fmt: skip
        for name in FOLDERS:
            (self.folder / name).mkdir(mode=0o755)
            options[f"{name} dir" if name in ("private", "ncalrpc") else f"{name} directory"] = (
                f"{self.folder}/{name}"
            )
        configuration = self.folder / "smb.conf"
        configuration.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items()))
        for account in ACCOUNTS.values():
            subprocess.run(
                ["smbpasswd", "-c", configuration, "-s", "-a", account],
                input=f"{PASSWORD}\n{PASSWORD}\n", text=True, check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    PROGRAM, "--libexec-rpcds", f"--configfile={configuration}", "-F", "--no-process-group", "-d", "0",
                    "--debug-stdout",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until(lambda: listens(ADDRESS, PORT), 60, "samba-dcerpcd to listen")
        users = {name: ("PEER", account, PASSWORD) for name, account in ACCOUNTS.items()}
        return Target(ADDRESS, PORT, {**users, "anonymous": ("", "", "")})

    def __exit__(self, *_):
        # Its helpers are of its session, and of nobody else's.
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)
