"""Starts, stops, kills and restarts what the tests talk to."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parents[2]
START_TIMEOUT = 120
STOP_TIMEOUT = 120


def binaries() -> Path:
    return Path(os.environ.get("CLUSPREP_BIN_DIR", REPOSITORY / ".build" / "debug")).resolve()


#: How often an owner looks at its disk, and how long a challenger waits: a busy machine may keep an owner from looking for seconds.
BRISK = {"defense_interval": "0.5", "challenge_time": "5"}

#: No wait for something that has to come is shorter, whatever a test says: the machine may be busy.
PATIENCE = 120


def wait_until(condition, timeout: float, what: str):
    """Polls until the condition holds, and returns what it returned."""
    timeout = max(timeout, PATIENCE)
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(0.02)


def listens(address: str, port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) == 0


def alive(pid: int) -> bool:
    """Whether the process still runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def with_flag(arguments: list[str], flag: str, value: str | list[str]) -> list[str]:
    """The command line with this flag set to this value, or to each of these, wherever and however it was set before."""
    kept, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
        elif argument == flag:
            skip = True
        elif not argument.startswith(flag + "="):
            kept.append(argument)
    for item in [value] if isinstance(value, str) else value:
        kept += [flag, item]
    return kept


class Daemon:
    """How one clusprepd of the lab was started, so that a test can start it again by itself."""

    def __init__(self, pid: int):
        process = Path(f"/proc/{pid}")
        self.arguments = process.joinpath("cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        self.executable = os.readlink(process / "exe")
        self.folder = os.readlink(process / "cwd")
        pairs = (item.partition(b"=") for item in process.joinpath("environ").read_bytes().split(b"\0") if item)
        self.environment = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
        self.process: subprocess.Popen | None = None

    def start(self, node: dict, log: Path, **settings: str | list[str]):
        """Starts the daemon with these settings (by their flags' names) and waits until its endpoint mapper answers."""
        arguments = [os.fsdecode(argument) for argument in self.arguments]
        for name, value in {"endpoint_mapper_port": str(node["endpointMapperPort"]), **settings}.items():
            arguments = with_flag(arguments, "--" + name.replace("_", "-"), value)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                arguments,
                executable=self.executable,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.PIPE,  # open as long as we live: a daemon may be told to end with its input
                stdout=output,
                stderr=output,
            )

        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"clusprepd ended with {self.process.returncode}:\n{log.read_text()[-4000:]}")
            return listens(node["address"], node["endpointMapperPort"])

        wait_until(answers, START_TIMEOUT, f"{node['name']} to listen")
        node["pid"] = self.process.pid

    def kill(self):
        """SIGKILL: no warning, no tidying up."""
        self.process.kill()
        self.process.wait(STOP_TIMEOUT)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Lab:
    """`clusprep lab`: the nodes, the disks and the user it made. The variables are the daemons' settings."""

    def __init__(self, folder: Path, nodes: int = 2, disks: int = 2, iscsi: bool = False, **variables: str):
        self.folder = folder
        self.log = folder.with_name(folder.name + ".log")
        command = [binaries() / "clusprep", "lab", "--dir", folder, "--nodes", nodes, "--disks", disks, "--json"]
        if iscsi:
            tool("tgtd", "tgt")
            command.append("--iscsi")
        with self.log.open("ab") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in command], env={**os.environ, **variables},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            )
        try:
            self.description = json.loads(self._first_line())
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.nodes = self.description["nodes"]
        self.disks = self.description["disks"]
        self.domain = self.description["domain"]
        self.user = self.description["user"]
        self.password = self.description["password"]
        self.daemons = [Daemon(node["pid"]) for node in self.nodes]

    def _first_line(self) -> bytes:
        line = b""
        deadline = time.monotonic() + START_TIMEOUT
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            chunk = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            if not chunk:
                raise AssertionError(f"clusprep lab said {line!r} and no more:\n{self.log.read_text()[-4000:]}")
            line += chunk
        return line

    def stop(self) -> int:
        """SIGTERM, as its users stop it. What is left afterwards is for the caller to check."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_TIMEOUT)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.process.stdout.close()

    def leftovers(self) -> list[str]:
        """What a stopped lab must not leave: processes and open ports."""
        found = [f"process {node['pid']} ({node['name']})" for node in self.nodes if alive(node["pid"])]
        found += [
            f"port {node['endpointMapperPort']} of {node['address']}"
            for node in self.nodes
            if listens(node["address"], node["endpointMapperPort"])
        ]
        # Whatever was started for the lab names a file in its folder.
        folder = str(self.folder).encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                words = (process / "cmdline").read_bytes().split(b"\0")
                if any(folder in word for word in words):
                    found.append(f"process {process.name} ({words[0].decode(errors='replace')})")
        return found


class Daemons:
    """The nodes of a lab without the lab: started, killed and restarted one by one by a test."""

    def __init__(self, folder: Path, nodes: int = 2, disks: int = 2, iscsi: bool = False, **settings: str):
        self.settings = settings
        lab = Lab(folder, nodes, disks, iscsi)
        code = lab.stop()
        assert code == 0, f"clusprep lab ended with {code}"
        self.lab = lab
        self.nodes, self.disks = lab.nodes, lab.disks
        self.daemons = lab.daemons
        self.running: set[int] = set()
        # The lab's target has ended with the lab; ours takes its place at the same port.
        self.target = Target(folder, lab.disks) if iscsi else None

    def start(self, *indices: int):
        if self.target:
            self.target.start()
        for index in indices or range(len(self.nodes)):
            self.daemons[index].start(self.nodes[index], self.lab.log, **self.settings)
            self.running.add(index)
        return self

    def kill(self, index: int):
        self.daemons[index].kill()
        self.running.discard(index)

    def kill_all(self):
        """What a loss of power does to a site's nodes."""
        for index in list(self.running):
            self.kill(index)

    def stop(self):
        codes = {index: self.daemons[index].stop() for index in sorted(self.running)}
        self.running.clear()
        if self.target:
            self.target.kill()
        return codes


class Target:
    """A tgtd of a test's own, which serves a lab's images under the names and at the port that the lab gave them."""

    def __init__(self, folder: Path, disks: list[dict]):
        self.folder, self.disks = folder, disks
        self.environment = {**os.environ, "TGT_IPC_SOCKET": str(folder / "target")}
        self.process: subprocess.Popen | None = None

    def start(self):
        if self.process:
            return
        portal = urlsplit(self.disks[0]["target"]).netloc
        with (self.folder / "target.log").open("ab") as log:
            self.process = subprocess.Popen(
                [tool("tgtd", "tgt"), "--foreground", "--iscsi", f"portal={portal}"],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        wait_until(lambda: self._administer("show", "target") == 0, START_TIMEOUT, "tgtd to answer")
        for number, disk in enumerate(self.disks, start=1):
            name = urlsplit(disk["target"]).path.split("/")[1]
            tid = ("--tid", str(number))
            assert self._administer("new", "target", *tid, "--targetname", name) == 0
            assert self._administer("new", "logicalunit", *tid, "--lun", "1", "--backing-store", disk["path"]) == 0
            assert self._administer("bind", "target", *tid, "--initiator-address", "ALL") == 0

    def kill(self):
        """As a storage controller that loses its power."""
        if self.process:
            self.process.kill()
            self.process.wait(STOP_TIMEOUT)
            self.process = None
            for leftover in self.folder.glob("target.0*"):
                leftover.unlink()

    def restart(self):
        self.kill()
        self.start()

    def require(self, user: str, password: str):
        """From now on, initiators have to prove that they know the password (CHAP)."""
        assert self._administer("new", "account", "--user", user, "--password", password) == 0
        for number in range(1, len(self.disks) + 1):
            assert self._administer("bind", "account", "--tid", str(number), "--user", user) == 0

    def take_away(self, number: int):
        """Removes the unit of the disk with this number, counted from one, under its users' feet."""
        assert self._administer("delete", "logicalunit", "--tid", str(number), "--lun", "1") == 0

    def _administer(self, operation: str, mode: str, *arguments: str) -> int:
        return subprocess.run(
            [tool("tgtadm", "tgt"), "--lld", "iscsi", "--op", operation, "--mode", mode, *arguments],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).returncode


def tool(name: str, package: str) -> str:
    """The path of a foreign program, or a skip that says what to install."""
    import pytest

    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return path
