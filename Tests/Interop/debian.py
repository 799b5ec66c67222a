"""A Debian 12 of a test's own: a folder that one can chroot into, made once by debootstrap and unpacked anew for each test.

`python debian.py` makes it, if it is not there; Scripts/install-dependencies does that, so that no test has to wait for it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from lab import REPOSITORY

MIRROR = os.environ.get("CLUSPREP_DEBIAN_MIRROR", "http://deb.debian.org/debian")
CACHE = REPOSITORY / ".build-debian"
# What a chroot gets of the machine; its own mount namespace, so that nothing is left mounted whatever happens.
MOUNTS = 'mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && mount --rbind /dev "$0/dev"'


#: What the package depends on, as test_package.py sees to; and what it does not: a service manager, and a judge of its firewall.
DEPENDS = [
    "init-system-helpers", "libc6", "libcom-err2", "libext2fs2", "libgcc-s1", "libgssapi-krb5-2", "libiscsi7", "libk5crypto3",
    "libkrb5-3", "libnftables1", "libntfs-3g89", "libpcap0.8", "libsmbclient", "libsqlite3-0", "libssl3", "libstdc++6",
]
BESIDES = ["systemd", "systemd-sysv", "nftables"]


class Unavailable(Exception):
    """This machine cannot make a Debian: it may mount nothing, or has no way to the mirror."""


def base() -> Path:
    """An archive of the smallest Debian 12 with these packages, from the cache or made now (minutes, and the network).

    Raises Unavailable where it cannot be made.
    """
    packages = sorted(DEPENDS + BESIDES)
    key = hashlib.sha256("\n".join(["bookworm", *packages]).encode()).hexdigest()[:16]
    archive = CACHE / f"bookworm-{key}.tar"
    if archive.exists():
        return archive
    CACHE.mkdir(exist_ok=True)
    for old in CACHE.glob("bookworm-*.tar*"):
        old.unlink()
    folder, partial = CACHE / "making", archive.with_suffix(".tar.part")
    folder.mkdir(exist_ok=True)
    # In memory, where dpkg's many waits for the disk cost nothing; in a mount namespace, so that nothing is left whatever ends it.
    script = """
        mount -t tmpfs -o mode=755 tmpfs "$1" &&
        debootstrap --variant=minbase --include="$2" bookworm "$1" "$3" &&
        tar -C "$1" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./dev/*' -cf "$4" .
    """
    words = [str(folder), ",".join(packages), MIRROR, str(partial)]
    try:
        made = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", *words], capture_output=True, text=True, timeout=900
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"debootstrap: it did not end within {error.timeout} s") from error
    if made.returncode != 0:
        partial.unlink(missing_ok=True)
        raise Unavailable(f"debootstrap: {made.stdout[-2000:]}{made.stderr[-2000:]}")
    partial.rename(archive)
    folder.rmdir()
    return archive


class Debian:
    """One unpacked system."""

    def __init__(self, folder: Path):
        import pytest

        self.folder = folder
        try:
            archive = base()
        except Unavailable as error:
            pytest.skip(f"there is no Debian to install in: {error}")
        folder.mkdir()
        subprocess.run(["tar", "-C", folder, "-xf", archive], check=True)

    def command(self, *words: str) -> list[str]:
        inside = f'{MOUNTS} && root="$0" && exec chroot "$root" "$@"'
        return ["unshare", "--mount", "sh", "-c", inside, str(self.folder), *words]

    def run(self, *words: str, status: int = 0, input: str = "") -> str:
        """Runs a program in it, which has to end with this status; what it said."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            self.command(*words), input=input, capture_output=True, text=True, env=environment, timeout=120
        )
        assert done.returncode == status, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def start(self, *words: str, log: Path, **variables: str) -> subprocess.Popen:
        """Starts a program in it, which runs until it is stopped."""
        with log.open("ab") as output:
            return subprocess.Popen(
                self.command(*words), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **variables},
            )

    def boot(self, script: str) -> str:
        """Boots it in a container, with systemd and a network of its own, runs a shell script in it, and turns it off.

        What the script said; each of its commands has to succeed.
        """
        (self.folder / "root/script").write_text(f"#!/bin/bash\nset -eux\n{script}\necho all of it\n")
        (self.folder / "root/script").chmod(0o755)
        unit = self.folder / "etc/systemd/system/script.service"
        unit.write_text(
            "[Service]\nType=oneshot\nExecStart=/root/script\nExecStopPost=/usr/bin/systemctl poweroff --no-block\n"
            "StandardOutput=file:/root/said\nStandardError=file:/root/said\nTimeoutStartSec=120\n"
        )
        wanted = self.folder / "etc/systemd/system/multi-user.target.wants/script.service"
        wanted.parent.mkdir(exist_ok=True)
        wanted.symlink_to("../script.service")
        container = [
            "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--boot",
            f"--machine=clusprep-{os.getpid()}", f"--directory={self.folder}",
        ]
        # In a mount namespace, so that none of its mounts is left.
        booted = subprocess.run(
            ["unshare", "--mount", *container], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240
        )
        said = self.folder / "root/said"
        text = said.read_text() if said.exists() else ""
        assert text.endswith("all of it\n"), f"{text[-4000:]}\n{booted.stdout[-2000:]}{booted.stderr[-2000:]}"
        return text

    def files(self) -> dict[str, str]:
        """Everything that is in it, with what it is."""
        found = {}
        for folder, folders, files in os.walk(self.folder):
            for name in folders + files:
                path = Path(folder, name)
                kind = "link" if path.is_symlink() else "folder" if path.is_dir() else "file"
                found[str(path.relative_to(self.folder))] = kind
        return found

    def close(self):
        shutil.rmtree(self.folder)


def stop(process: subprocess.Popen) -> int:
    """SIGTERM, and how it ended."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


if __name__ == "__main__":
    try:
        base()
    except Unavailable as error:
        sys.exit(str(error))
