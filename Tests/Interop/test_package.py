"""The Debian package, in a Debian 12 of the test's own: it installs, sets a node up, answers a foreign client, and goes."""

import contextlib
import json
import os
import pty
import re
import select
import shutil
import socket
import subprocess
from pathlib import Path

import csvp
import pytest
from dcom import Credentials, activate
from debian import DEPENDS, Debian, stop
from lab import REPOSITORY, binaries, listens

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can chroot into a Debian of its own"),
    pytest.mark.skipif(not shutil.which("debootstrap"), reason="needs debootstrap: apt-get install debootstrap"),
    pytest.mark.skipif(not shutil.which("dpkg-shlibdeps"), reason="needs dpkg-shlibdeps: apt-get install dpkg-dev"),
]

ADDRESS = "127.0.0.77"
PASSWORD = "Correct-Horse-7"


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The package that CLUSPREP_PACKAGE names, or one made now of the programs that are tested."""
    if named := os.environ.get("CLUSPREP_PACKAGE"):
        return Path(named).resolve()
    output = tmp_path_factory.mktemp("package")
    made = subprocess.run(
        [REPOSITORY / "Scripts" / "package-deb", "--programs", binaries(), "--output", output],
        capture_output=True, text=True, timeout=300,
    )
    assert made.returncode == 0, made.stderr[-4000:]
    return Path(made.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def debian(package, tmp_path_factory):
    """A Debian to change root into, with what the package depends on; nothing runs in it but what a test starts."""
    depends = subprocess.run(
        ["dpkg-deb", "--field", package, "Depends"], check=True, capture_output=True, text=True
    ).stdout
    # Of alternatives the first; versions are for apt.
    packages = {re.split(r"[ (|]", item.strip())[0] for item in depends.split(",")}
    assert packages <= set(DEPENDS), "the package depends on more than debian.py knows: add it to DEPENDS there"
    system = Debian(tmp_path_factory.mktemp("debian") / "root")
    yield system
    system.close()


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]


def confined(debian) -> list[str]:
    """The unit's command, with the unit's capabilities."""
    unit = (debian.folder / "usr/lib/systemd/system/clusprepd.service").read_text()
    command = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE).group(1).split()
    capabilities = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE).group(1).lower().split()
    bounding = ",".join(["-all", *("+" + capability.removeprefix("cap_") for capability in capabilities)])
    return ["setpriv", "--no-new-privs", f"--bounding-set={bounding}", "--inh-caps=-all", *command]


def notification_socket(debian) -> socket.socket:
    """Where the daemon tells its service manager that it serves."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(debian.folder / "run/notify"))
    return listening


def test_from_installation_to_purge(debian, package, tmp_path):
    before = debian.files()
    shutil.copy(package, debian.folder / "root/clusprep.deb")
    debian.run("dpkg", "--force-unsafe-io", "--install", "/root/clusprep.deb")

    # What people call, what they read, what their shells complete.
    for program in ("clusprep", "clusprepd"):
        assert debian.run(program, "--version").strip()
    for path in ("man1/clusprep.1.gz", "man1/clusprep-setup.1.gz", "man1/clusprep-validate.1.gz", "man8/clusprepd.8.gz"):
        assert (debian.folder / "usr/share/man" / path).exists(), path
    for path in ("bash-completion/completions/clusprep", "zsh/vendor-completions/_clusprep", "fish/vendor_completions.d/clusprep.fish"):
        assert "clusprep" in (debian.folder / "usr/share" / path).read_text()
    # What the documents lead to.
    for name in ("validation.schema.json", "cluster-updates.xsd"):
        assert (debian.folder / "usr/share/doc/clusprep" / name).exists(), name
    debian.run("clusprep", "setup", "check", status=2)

    # A node, with a disk and somebody who may call it.
    ports = free_port(), free_port()
    answers = {
        "nodeName": "packaged", "listen": [ADDRESS], "endpointMapperPort": ports[0], "exporterPort": ports[1],
        "users": [{"name": "admin", "passwordFile": "/root/password"}], "disks": ["/srv/disk.img"],
        "localDisks": False, "firewall": "leave",
    }
    (debian.folder / "root/answers.json").write_text(json.dumps(answers))
    password = debian.folder / "root/password"
    password.write_text(PASSWORD + "\n")
    debian.run("clusprep", "setup", "--answers", "/root/answers.json", status=1)  # no image, and a password for all to see
    assert not (debian.folder / "etc/clusprep").exists()
    password.chmod(0o600)
    with (debian.folder / "srv/disk.img").open("wb") as image:
        image.truncate(64 << 20)
    said = debian.run("clusprep", "setup", "--answers", "/root/answers.json")
    assert "added the user admin" in said
    findings = json.loads(debian.run("clusprep", "setup", "check", "--json"))["findings"]
    assert {finding["state"] for finding in findings} <= {"ready", "warning"}, findings
    settled = debian.files()
    debian.run("clusprep", "setup", "--answers", "/root/answers.json")
    assert debian.files() == settled

    # There is no systemd in a chroot: what its unit starts is started by us, with no more than the unit's privileges.
    ready = notification_socket(debian)
    process = debian.start(*confined(debian), log=tmp_path / "daemon.log", NOTIFY_SOCKET="/run/notify")
    try:
        ready.settimeout(60)
        assert ready.recv(64) == b"READY=1"
        assert listens(ADDRESS, ports[0])
        node = {"name": "packaged", "address": ADDRESS, "endpointMapperPort": ports[0]}
        opened = activate(
            node, Credentials("PACKAGED", "admin", PASSWORD), csvp.CLSID_ClusterStorage2, csvp.IID_IClusterStorage2
        )
        storage = csvp.Storage(opened.main)
        code, answer = storage.prepare()
        assert code == csvp.S_OK
        code, answer = storage.phase2()
        assert (code, answer["pulNumDisks"]) == (csvp.S_OK, 1)
        opened.release()
        opened.close()
    finally:
        ready.close()
        (debian.folder / "run/notify").unlink()
        assert stop(process) == 0, (tmp_path / "daemon.log").read_text()[-2000:]

    # Removed, it keeps what the node is; purged, nothing is left but what was the test's.
    debian.run("dpkg", "--remove", "clusprep")
    assert (debian.folder / "var/lib/clusprep/cluster.db").exists()
    debian.run("dpkg", "--purge", "clusprep")
    ours = {"root/clusprep.deb", "root/answers.json", "root/password", "srv/disk.img"}
    left = {path for path in set(debian.files()) - set(before) - ours if not path.startswith(("var/lib/dpkg", "var/log", "srv/disk.img"))}
    assert left == set()
    assert not (debian.folder / "var/log/clusprep").exists()
    assert set(before) <= set(debian.files())


def test_as_a_service(package, tmp_path):
    """Under systemd, with the unit's whole sandbox: it starts, answers, is confined, lets its traffic in, and goes."""
    if not shutil.which("systemd-nspawn"):
        pytest.skip("needs systemd-nspawn: apt-get install systemd-container")
    system = Debian(tmp_path / "root")
    shutil.copy(package, system.folder / "root/clusprep.deb")
    (system.folder / "root/password").write_text(PASSWORD + "\n")
    answers = {
        "nodeName": "served", "users": [{"name": "admin", "passwordFile": "/root/password"}],
        "disks": ["/srv/disk.img"], "localDisks": False,
    }
    (system.folder / "root/answers.json").write_text(json.dumps(answers))
    said = system.boot(
        """
        chmod 600 /root/password
        truncate --size 64M /srv/disk.img
        dpkg --force-unsafe-io --install /root/clusprep.deb
        ! systemctl is-active clusprepd
        clusprep setup --answers /root/answers.json
        clusprep setup check --json
        systemctl is-active clusprepd
        systemctl is-enabled clusprepd
        clusprep setup show --node 127.0.0.1 --user 'SERVED\\admin' --json </root/password
        # What it may, and may not.
        pid=$(systemctl show --property MainPID --value clusprepd)
        grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/$pid/status
        ! nsenter --target $pid --mount touch /etc/clusprep/forbidden
        nsenter --target $pid --mount touch /var/lib/clusprep/allowed
        nft list table inet clusprep | grep 'tcp dport 61135 accept'
        # Installed anew it runs on; stopped it closes the firewall; killed it comes back.
        dpkg --force-unsafe-io --install /root/clusprep.deb
        systemctl is-active clusprepd
        kill -KILL $(systemctl show --property MainPID --value clusprepd)
        for try in $(seq 100); do systemctl is-active --quiet clusprepd && break; sleep 0.2; done
        systemctl is-active clusprepd
        systemctl stop clusprepd
        ! nft list table inet clusprep
        clusprep setup --answers /root/answers.json
        dpkg --purge clusprep
        ! ls /etc/clusprep /var/lib/clusprep /var/log/clusprep /etc/systemd/system/clusprepd.service.d
        ! nft list table inet clusprep
        """
    )
    # cap_net_bind_service, cap_net_admin, cap_net_raw: bits 10, 12 and 13 of linux/capability.h.
    assert re.search(r"^CapBnd:\s*0*3400$", said, re.MULTILINE), said
    assert re.search(r"^NoNewPrivs:\s*1$", said, re.MULTILINE) and re.search(r"^Seccomp:\s*2$", said, re.MULTILINE)
    assert '"hostLabel" : "served"' in said or '"hostLabel"' in said
    system.close()


def test_set_up_and_undone(debian, package):
    """`clusprep setup remove` without the package's help, and with what somebody changed since."""
    debian.run("dpkg", "--force-unsafe-io", "--install", "/root/clusprep.deb")
    before = debian.files()
    debian.run("clusprep", "setup", "--answers", "/root/answers.json")
    debian.run("clusprep", "setup", "remove", "--yes")
    assert debian.files() == before
    debian.run("clusprep", "setup", "remove", "--yes", status=2)

    debian.run("clusprep", "setup", "--answers", "/root/answers.json")
    configuration = debian.folder / "etc/clusprep/clusprepd.json"
    configuration.write_text(configuration.read_text().replace("packaged", "mine"))
    assert "stays: it was changed since" in debian.run("clusprep", "setup", "remove", "--yes", "--keep-state")
    assert configuration.exists() and (debian.folder / "var/lib/clusprep/cluster.db").exists()
    debian.run("dpkg", "--purge", "clusprep")
    assert not configuration.exists() and not (debian.folder / "var/lib/clusprep").exists()


class Terminal:
    """A person at a terminal, who waits for each question."""

    def __init__(self, command: list[str]):
        self.own, child = pty.openpty()
        self.process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, start_new_session=True)
        os.close(child)
        self.shown = ""

    def until(self, words: str):
        """Reads until these words come, and forgets them."""
        while words not in self.shown:
            readable, _, _ = select.select([self.own], [], [], 60)
            assert readable, f"waited in vain for {words!r} after {self.shown!r}"
            try:
                octets = os.read(self.own, 4096)
            except OSError:  # the other end is closed
                octets = b""
            assert octets, f"ended before {words!r}: {self.shown!r}"
            self.shown += octets.decode()
        before, _, self.shown = self.shown.partition(words)
        return before

    def answer(self, question: str, answer: str = ""):
        if question:
            self.until(question)
        self.until(": ")
        os.write(self.own, answer.encode() + b"\n")

    def end(self) -> int:
        with contextlib.suppress(OSError):
            while octets := os.read(self.own, 4096):
                self.shown += octets.decode()
        os.close(self.own)
        return self.process.wait(60)


def test_a_person_at_a_terminal(debian):
    """`clusprep setup` asks, shows, and does nothing unless it is told to."""
    debian.run("dpkg", "--force-unsafe-io", "--install", "/root/clusprep.deb")
    before = debian.files()
    for decision, status in [("", 1), ("yes", 0)]:
        person = Terminal(debian.command("clusprep", "setup"))
        person.answer("full name", "asked.example.com")
        person.answer("Addresses", "localhost")
        assert "no IPv4 or IPv6 address" in person.until("Addresses")
        person.answer("", ADDRESS)
        person.answer("administers the node", "root")
        person.answer("Password for root", PASSWORD)
        person.answer("Again", PASSWORD)
        person.answer("keytab")
        person.answer("iSCSI portals")
        person.answer("Shared disks", "/srv/disk.img")
        person.answer("other disks", "no")
        person.answer("firewall", "no")
        person.answer("Start the node")
        plan = person.until("Go ahead?")
        assert "root is to be added" in plan and PASSWORD not in plan
        person.answer("", decision)
        assert person.end() == status, person.shown
        assert (debian.files() == before) == (not decision)
    assert "asked.example.com" in (debian.folder / "etc/clusprep/clusprepd.json").read_text()
    assert "root" in debian.run("clusprep", "user", "list")
    debian.run("clusprep", "setup", "remove", "--yes")
    assert debian.files() == before
    debian.run("dpkg", "--purge", "clusprep")


def test_manual_pages(package, tmp_path):
    """mandoc finds nothing to warn of."""
    if not shutil.which("mandoc"):
        pytest.skip("needs mandoc: apt-get install mandoc")
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    pages = sorted((tmp_path / "usr/share/man").rglob("*.gz"))
    assert len(pages) > 10
    subprocess.run(["gunzip", *pages], check=True)
    pages = [page.with_suffix("") for page in pages]
    judged = subprocess.run(["mandoc", "-T", "lint", "-W", "all", *pages], capture_output=True, text=True)
    # Pages that name each other are found where they are installed.
    words = [line for line in judged.stdout.splitlines() if "referenced manual not found: Xr clusprep" not in line]
    assert words == []


def test_the_units_sandbox(package, tmp_path):
    """systemd's own judgement of how exposed the service is: below 4 of 10, where root without a sandbox has 9.6."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze: apt-get install systemd")
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=40", "--no-pager",
         tmp_path / "usr/lib/systemd/system/clusprepd.service"],
        capture_output=True, text=True,
    )
    assert judged.returncode == 0, judged.stdout[-600:] + judged.stderr
