"""IClusterUpdate ([MS-CSVP] 3.16): what a node says is installed, against what the host's own tools say.

The answer of GetUpdates is a string of a megabyte, so its octets are taken apart here by hand and not by impacket's NDR classes.
"""

import gzip
import json
import os
import struct
import subprocess
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from csvp import S_OK, iid, string_to_bin
from dcom import Credentials, Fault, activate, new_orpcthis
from impacket.dcerpc.v5.dcomrt import DCOMCALL
from lab import REPOSITORY, Lab, binaries, tool

# 1.9
IID_IClusterUpdate = iid("E3C9B851-C442-432B-8FC6-A7FAAFC09D3B")
CLSID_ClusterUpdate = string_to_bin("4142DD5D-3472-4370-8641-DE7856431FB0")

SCHEMA = REPOSITORY / "docs" / "cluster-updates.xsd"
CHILDREN = ["id", "title", "description", "supportUrl", "knowledgebase", "securityBulletin", "superseded"]


class GetUpdates(DCOMCALL):
    opnum = 3
    structure = ()


class Count(DCOMCALL):
    opnum = 4
    structure = ()


def stub(proxy, request):
    request["ORPCthis"] = new_orpcthis()
    octets = proxy.call_raw(request)
    # ORPCTHAT ([MS-DCOM] 2.2.13.4): flags, and no extensions
    assert struct.unpack_from("<II", octets) == (0, 0)
    return octets[8:]


def get_updates(proxy):
    """(HRESULT, UpdateCount, the string), with every octet of the answer accounted for."""
    octets = stub(proxy, GetUpdates())
    count, pointer = struct.unpack_from("<II", octets)
    if pointer == 0:
        assert len(octets) == 12
        return struct.unpack_from("<I", octets, 8)[0], count, None
    # [MS-OAUT] 2.2.23: FLAGGED_WORD_BLOB behind its conformance
    units, length, size = struct.unpack_from("<III", octets, 8)
    assert units == size
    assert length == 2 * size
    end = 20 + length
    padding = -end % 4
    assert octets[end : end + padding] == bytes(padding)
    assert len(octets) == end + padding + 4
    code = struct.unpack_from("<I", octets, end + padding)[0]
    return code, count, octets[20:end].decode("utf-16-le")


def count(proxy):
    octets = stub(proxy, Count())
    assert len(octets) == 8
    number, code = struct.unpack("<iI", octets)
    return code, number


def dpkg_packages():
    """What dpkg itself counts as installed, as NAME:ARCHITECTURE=VERSION."""
    listed = subprocess.run(
        [tool("dpkg-query", "dpkg"), "--show", "--showformat", "${db:Status-Status} ${Package}:${Architecture}=${Version}\n"],
        capture_output=True, text=True, check=True, timeout=300,
    ).stdout
    states = {"installed", "triggers-pending", "triggers-awaited"}
    return sorted(line.split()[1] for line in listed.splitlines() if line.split()[0] in states)


def rpm_count():
    """How many packages rpm's database of this host has; it must not be made by looking."""
    folders = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"]
    names = ["rpmdb.sqlite", "Packages.db", "Packages"]
    if not any((Path(folder) / name).exists() for folder in folders for name in names):
        return 0
    listed = subprocess.run(
        [tool("rpm", "rpm"), "--query", "--all", "--queryformat", "%{NAME}\n"],
        capture_output=True, text=True, check=True, timeout=300,
    ).stdout
    return sum(name != "gpg-pubkey" for name in listed.splitlines())


@pytest.fixture
def update(clients):
    return clients.activate(CLSID_ClusterUpdate, IID_IClusterUpdate).main


@pytest.mark.parametrize("way", ["RemoteCreateInstance", "RemoteActivation"])
def test_counts_are_dpkgs(clients, way):
    proxy = clients.activate(CLSID_ClusterUpdate, IID_IClusterUpdate, way=way).main
    packages = dpkg_packages()
    code, number = count(proxy)
    assert (code, number) == (S_OK, len(packages) + rpm_count())
    code, announced, document = get_updates(proxy)
    assert (code, announced) == (S_OK, number)
    assert len(ElementTree.fromstring(document)) == number


def test_updates_are_dpkgs_packages(update):
    _, _, document = get_updates(update)
    identifiers = [element.findtext("id") for element in ElementTree.fromstring(document)]
    assert sorted(identifier for identifier in identifiers if "=" in identifier) == dpkg_packages()
    assert len(set(identifiers)) == len(identifiers)


def test_form(update):
    """3.16.4.1, element by element."""
    _, _, document = get_updates(update)
    assert document.startswith('<updates version="1.0">')
    assert document.endswith("</updates>")
    assert "\0" not in document
    root = ElementTree.fromstring(document)
    assert root.attrib == {"version": "1.0"}
    for element in root:
        assert element.tag == "update"
        assert [child.tag for child in element] == CHILDREN
        assert element.findtext("id") and element.findtext("title")
        for name, item in (("knowledgebase", "articleId"), ("securityBulletin", "bulletinId"), ("superseded", "updateId")):
            children = list(element.find(name))
            assert all(child.tag == item and child.text for child in children)
            # an empty collection is an empty element
            assert children or element.find(name).text is None


def is_valid(document, folder):
    """Whether the schema holds for it, by libxml2; its complaint is the failure's."""
    file = folder / "updates.xml"
    file.write_text(document, encoding="utf-8", newline="")
    checked = subprocess.run(
        [tool("xmllint", "libxml2-utils"), "--noout", "--nonet", "--huge", "--schema", SCHEMA, file],
        capture_output=True, text=True, timeout=120,
    )
    assert checked.returncode == 0, checked.stderr[-2000:]
    return True


def test_schema(update, tmp_path):
    _, _, document = get_updates(update)
    assert is_valid(document, tmp_path)


def test_what_upgrades_took_away_is_superseded(update):
    """dpkg's newest log, read by a second reader: each version that went, and that dpkg finds older, is told."""
    _, _, document = get_updates(update)
    superseded = {
        element.findtext("id").partition("=")[0]: {child.text for child in element.find("superseded")}
        for element in ElementTree.fromstring(document)
        if "=" in element.findtext("id")
    }
    versions = dict(package.split("=", 1) for package in dpkg_packages())
    try:
        with open("/var/log/dpkg.log", encoding="utf-8", errors="replace") as log:
            upgrades = [line.split() for line in log if line.split()[2:3] == ["upgrade"]]
    except FileNotFoundError:
        pytest.skip("/var/log/dpkg.log is missing: no package of this host was ever changed")
    checked = 0
    for _, _, _, package, old, _ in upgrades:
        if package not in versions:
            continue
        older = subprocess.run(["dpkg", "--compare-versions", old, "lt", versions[package]], timeout=300).returncode == 0
        assert (f"{package}={old}" in superseded[package]) == older, package
        checked += 1
    if not checked:
        pytest.skip("nothing was ever upgraded on this host")


def test_many_callers_at_once(lab, clients):
    proxies = [clients.activate(CLSID_ClusterUpdate, IID_IClusterUpdate, node=i % 2).main for i in range(8)]
    with ThreadPoolExecutor(len(proxies)) as pool:
        answers = list(pool.map(get_updates, proxies))
    assert {code for code, _, _ in answers} == {S_OK}
    assert len({document for _, _, document in answers}) == 1


def test_opnums_beyond_the_last(update, survives):
    with pytest.raises(Fault) as caught:
        update.call_raw((5, b"\x05\0\x07\0" + b"\0" * 28))
    assert caught.value.status == 0x1C010002  # nca_s_op_rng_error
    assert count(update)[0] == S_OK


HOSTILE = b"""odd (1.0-1) stable; urgency=low

  * J\xfcrgen <b>bold</b> ]]> & \x00\x01\x0b\x1b[2J \xed\xa0\x80 \r CVE-2024-0001 \xef\xbf\xbf
  * \xc3\xa9t\xc3\xa9 \xef\xbf\xbe DSA-1-1

 -- A <a@example.org>  Mon, 01 Jan 2024 00:00:00 +0000
"""


@pytest.fixture
def odd_node(tmp_path, monkeypatch):
    """A lab whose nodes are hosts with 5,000 packages and changelogs nobody would write; a mount namespace makes them so."""
    if os.geteuid() != 0:
        pytest.skip("mounting over /var/lib/dpkg takes root: run as root")
    docs = tmp_path / "doc"
    for name, changelog in (("odd", HOSTILE), ("long", HOSTILE.replace(b"odd", b"long") + b"  * more & more\n" * (2 << 20))):
        (docs / name).mkdir(parents=True)
        with gzip.open(docs / name / "changelog.Debian.gz", "wb", compresslevel=1) as file:
            file.write(changelog)
    names = ["odd", "long", *(f"package{number}" for number in range(4998))]
    (tmp_path / "status").write_text(
        "".join(
            f"Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: 1.0-1\nDescription: <{name}>\n\n"
            for name in names
        )
    )
    wrapped = tmp_path / "bin"
    wrapped.mkdir()
    for program in ("clusprepd", "clusprep-smb-probe"):
        (wrapped / program).symlink_to(binaries() / program)
    script = (
        f"mount --bind {tmp_path}/status /var/lib/dpkg/status && mount --bind {docs} /usr/share/doc"
        f' && exec {binaries()}/clusprep "$@"'
    )
    (wrapped / "clusprep").write_text(f"#!/bin/sh\nexec unshare --mount sh -c '{script}' sh \"$@\"\n")
    (wrapped / "clusprep").chmod(0o755)
    monkeypatch.setenv("CLUSPREP_BIN_DIR", str(wrapped))
    running = Lab(tmp_path / "lab", nodes=1, disks=1)
    yield running
    assert running.stop() == 0


def test_odd_hosts(odd_node, tmp_path):
    opened = activate(
        odd_node.nodes[0], Credentials(odd_node.domain, odd_node.user, odd_node.password),
        CLSID_ClusterUpdate, IID_IClusterUpdate,
    )
    code, announced, document = get_updates(opened.main)
    assert (code, announced) == (S_OK, 5000 + rpm_count())
    assert count(opened.main) == (S_OK, announced)
    assert is_valid(document, tmp_path)
    texts = {element.findtext("id"): element for element in ElementTree.fromstring(document)}
    odd = texts["odd:all=1.0-1"]
    # The first line is no UTF-8, so it is Latin-1 as a whole; the second one is UTF-8.
    bad = "\ufffd"
    assert odd.findtext("description") == (
        "<odd>\n\n"
        f"* J\xfcrgen <b>bold</b> ]]> & {bad}{bad}{bad}{bad}[2J \xed\xa0\x80 \r CVE-2024-0001 \xef\xbf\xbf\n"
        f"* \xe9t\xe9 {bad} DSA-1-1"
    )
    assert [article.text for article in odd.find("knowledgebase")] == ["CVE-2024-0001"]
    assert [bulletin.text for bulletin in odd.find("securityBulletin")] == ["DSA-1-1"]
    long = texts["long:all=1.0-1"].findtext("description")
    assert len(long) <= 1024 and long.endswith("\u2026")
    assert texts["package4997:all=1.0-1"].findtext("description") == "<package4997>"
    opened.release()
    opened.close()


# The command line


def clusprep(*arguments, password=None):
    return subprocess.run(
        [str(binaries() / "clusprep"), "updates", *arguments],
        capture_output=True, text=True, timeout=120, input="" if password is None else f"{password}\n",
    )


def run_of_node(lab, *more, password=None):
    node = lab.nodes[0]
    return clusprep(
        "--node", node["address"], "--port", str(node["endpointMapperPort"]), "--user", f"{lab.domain}\\{lab.user}", *more,
        password=password or lab.password,
    )


def test_command_locally_and_of_a_node(lab):
    here = clusprep("--json")
    assert here.returncode == 0, here.stderr
    listing = json.loads(here.stdout)
    assert listing["schema"] == 1
    assert listing["count"] == len(listing["updates"]) == len(dpkg_packages()) + rpm_count()
    there = run_of_node(lab, "--json")
    assert there.returncode == 0, there.stderr

    def comparable(listing):
        # What XML cannot say is U+FFFD in the texts that came as XML.
        return [(update["id"], update["articles"], update["bulletins"], update["supersedes"]) for update in listing["updates"]]

    assert comparable(json.loads(there.stdout)) == comparable(listing)
    assert clusprep("--count").stdout == run_of_node(lab, "--count").stdout == f"{listing['count']}\n"


RPM = """
Name: {name}
Version: 1.0
Release: 1
Summary: Made <for> a test & gone with it
License: MIT
BuildArch: noarch
%description
Text.
%files
%changelog
* Mon Jan 06 2025 A B <a@example.org> - 1.0-1
- Fix CVE-2024-12345 (RHSA-2024:0001)
"""


def test_command_with_rpm(tmp_path):
    """A database of rpm's beside dpkg's, where rpm has it, in a mount namespace of the test's own."""
    rpm, rpmbuild = tool("rpm", "rpm"), tool("rpmbuild", "rpm")
    if os.geteuid() != 0:
        pytest.skip("mounting over /var/lib/rpm takes root: run as root")
    if not Path("/var/lib/rpm").is_dir():
        pytest.skip("/var/lib/rpm is missing: apt-get install rpm")
    if rpm_count():
        pytest.skip("this host has packages of rpm's: the other tests compare with those")
    for name in ("alpha", "beta"):
        (tmp_path / f"{name}.spec").write_text(RPM.format(name=name))
        subprocess.run(
            [rpmbuild, "--quiet", "-bb", "--define", f"_topdir {tmp_path}/build", "--define", f"_rpmdir {tmp_path}",
             tmp_path / f"{name}.spec"],
            check=True, capture_output=True, timeout=120,
        )
    script = f"""
        set -e
        mount -t tmpfs tmpfs /var/lib/rpm
        {rpm} --dbpath /var/lib/rpm --initdb
        {rpm} --dbpath /var/lib/rpm --install --justdb --nodeps --noscripts {tmp_path}/noarch/*.rpm >&2
        {binaries() / "clusprep"} updates --json
        {binaries() / "clusprep"} updates --count >&2
    """
    finished = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120
    )
    assert finished.returncode == 0, finished.stderr
    listing = json.loads(finished.stdout)
    assert listing["count"] == len(dpkg_packages()) + 2
    assert finished.stderr.splitlines()[-1] == str(listing["count"])
    made = {update["id"]: update for update in listing["updates"] if "=" not in update["id"]}
    assert sorted(made) == ["alpha-1.0-1.noarch", "beta-1.0-1.noarch"]
    assert made["alpha-1.0-1.noarch"]["articles"] == ["CVE-2024-12345"]
    assert made["alpha-1.0-1.noarch"]["bulletins"] == ["RHSA-2024:0001"]


def test_command_for_people(lab):
    here, there = clusprep(), run_of_node(lab)
    assert here.returncode == there.returncode == 0, here.stderr + there.stderr
    assert here.stdout == there.stdout
    number = len(dpkg_packages()) + rpm_count()
    assert here.stdout.splitlines()[-1] == f"{number} updates"
    some = clusprep("--security").stdout.splitlines()
    assert some[-1].startswith(f"{number} updates, ")


def test_command_failures(lab):
    refused = run_of_node(lab, password="wrong")
    assert refused.returncode == 1
    assert "does not tell its updates" in refused.stderr
    assert "wrong" not in refused.stderr
    silent = clusprep("--node", "198.51.100.1", "--user", "LAB\\admin")
    assert silent.returncode == 1
    assert "no password" in silent.stderr
    assert clusprep("--node", "198.51.100.1").returncode == 64
    assert clusprep("--count", "--json").returncode == 64
    manual = clusprep("--help")
    assert manual.returncode == 0
    assert "clusprep updates --json > here.json" in manual.stdout
