"""A winbindd of a test's own, over a list of users in its folder, and the helper by which others ask it.

    with Winbind(folder) as winbind:
        CLUSPREPD_NTLM_AUTH = ",".join(winbind.helper)

Samba's programs look for winbindd's socket in one place, which is compiled in, so the helper gets a mount namespace in which the
folder is there. That needs root. Nothing of this host's own Samba is read or written.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from lab import tool, wait_until

SOCKET_FOLDER = "/run/samba/winbindd"


class Winbind:
    """Users of a computer that is its own domain."""

    domain = "WINBIND"
    #: Samba's list needs a Unix account for each of its users; this is the one that is on every host.
    user = "root"

    def __init__(self, folder: Path, password: str):
        self.folder, self.password = Path(folder), password
        self.configuration = self.folder / "smb.conf"
        script = self.folder / "helper.sh"
        self.helper = [tool("unshare", "util-linux"), "-m", str(script)]
        for name in ("private", "lock", "state", "cache", "pid", "sockets", "ncalrpc"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "sockets").chmod(0o755)
        self.configuration.write_text(f"""\
[global]
    netbios name = {self.domain}
    workgroup = WORKGROUP
    server role = standalone
    private dir = {self.folder}/private
    lock directory = {self.folder}/lock
    state directory = {self.folder}/state
    cache directory = {self.folder}/cache
    pid directory = {self.folder}/pid
    winbindd socket directory = {self.folder}/sockets
    ncalrpc dir = {self.folder}/ncalrpc
    log file = {self.folder}/log.%m
    passdb backend = tdbsam:{self.folder}/private/passdb.tdb
    bind interfaces only = yes
    interfaces = lo
""")
        script.write_text(f"""\
#!/bin/sh
mount -t tmpfs none /run && mkdir -p {SOCKET_FOLDER} && mount --bind {self.folder}/sockets {SOCKET_FOLDER} \\
    && exec {tool("ntlm_auth", "winbind")} --configfile={self.configuration} --helper-protocol=ntlm-server-1
""")
        script.chmod(0o755)

    def __enter__(self) -> Winbind:
        subprocess.run(
            [tool("smbpasswd", "samba-common-bin"), "-c", self.configuration, "-s", "-a", self.user],
            input=f"{self.password}\n{self.password}\n", text=True, check=True, capture_output=True,
        )
        program = next(
            (path for path in ("/usr/sbin/winbindd", "/sbin/winbindd") if os.access(path, os.X_OK)), None
        ) or tool("winbindd", "winbind")
        self.log = (self.folder / "winbindd.out").open("wb")
        self.process = subprocess.Popen(
            [program, "-F", "-s", str(self.configuration), "--no-process-group"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )
        wait_until((self.folder / "sockets" / "pipe").exists, 30, "winbindd's socket")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
