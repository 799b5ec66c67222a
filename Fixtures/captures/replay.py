#!/usr/bin/env python3
"""Issues the calls of every capture in this folder again, each to a fresh lab, and fails on any difference that no rule allows.

    python Fixtures/captures/replay.py [NAME...]

Run by Scripts/replay-fixtures, in a network namespace of its own. What a lab makes differ is in fixtures.rules, and in NAME.rules
for one capture; the disks, which are others in each lab, are replaced by rules that are made here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[1] / "Tests" / "Interop"))

from conftest import QUICK  # noqa: E402
from kdc import KDC, ENCTYPES  # noqa: E402
from lab import Lab, binaries  # noqa: E402

REALM, NODE = "LAB.TEST", "node.lab.test"


def disk_rules(captured: list[dict], disks: list[dict]) -> str:
    """The disks of the capture become those of the lab."""
    rules = []
    for old, new in zip(captured, disks):
        if old["style"] == "gpt":
            rules.append(f"replace-guid {uuid.UUID(old['id'])} {uuid.UUID(new['id'])}")
        else:
            rules.append(f"replace *.DiskSignature 0x{old['id']} 0x{new['id']}")
    return "\n".join(rules) + "\n"


def replay(entry: dict, folder: Path, kdc: KDC | None) -> dict:
    """Runs `clusprep replay` on one capture against a lab of its own; what it prints as JSON."""
    name = Path(entry["file"]).stem
    settings = dict(QUICK)
    if entry["kerberos"]:
        settings |= kdc.environment | {
            "CLUSPREPD_KERBEROS_KEYTAB": str(folder / "services.keytab"),
            "CLUSPREPD_KERBEROS_ALLOW_RC4": "true",
            "CLUSPREPD_KERBEROS_ADMINISTRATORS": f"alice@{REALM}",
        }
    lab = Lab(folder / name, **settings)
    try:
        own = folder / f"{name}.rules"
        own.write_text(disk_rules(entry["disks"], lab.disks))
        rules = [FOLDER / "fixtures.rules", own, FOLDER / f"{name}.rules"]
        command = [binaries() / "clusprep", "replay", FOLDER / entry["file"], "--json", "--time-limit", "30"]
        for node in lab.nodes:
            command += ["--to", f"{node['address']}={node['address']}"]
        for path in rules:
            if path.exists():
                command += ["--rules", path]
        environment = dict(os.environ)
        if entry["kerberos"]:
            command += ["--keytab", FOLDER / entry["keytab"], "--kerberos", "--principal", f"host/{NODE}@{REALM}"]
            environment |= kdc.login("alice", "alices", f"host/{NODE}")
        else:
            command += ["--nt-password", entry["password"], "--user", f"{lab.domain}\\{lab.user}"]
        done = subprocess.run(
            [str(word) for word in command], input=lab.password + "\n", text=True, capture_output=True, timeout=300,
            env=environment,
        )  # fmt: skip
        if done.returncode not in (0, 1, 2) or not done.stdout:
            raise AssertionError(f"{name}: clusprep replay ended with {done.returncode}:\n{done.stderr}")
        return json.loads(done.stdout) | {"status": done.returncode, "errors": done.stderr}
    finally:
        lab.stop()


def unexplained(report: dict) -> list[str]:
    """One line for each difference that no rule allows."""
    lines = []
    for item in report["negotiations"] + report["calls"]:
        if item["verdict"] not in ("differs", "notReplayed"):
            continue
        title = f"association {item['association']}, {item['interface']}"
        if "id" in item:
            title = f"call {item['id']} on {title}.{item['operation']}"
        if item.get("detail"):
            lines.append(f"{title}: {item['detail']}")
        for field in item.get("differences", []):
            if "allowed" not in field:
                lines.append(f"{title}: {field['path']}: {field['captured']} in the capture, {field['live']} now")
    return lines


def replay_all(names: list[str]):
    """The name of each capture, and the report on it; all of them, or those that are named."""
    entries = {Path(entry["file"]).stem: entry for entry in json.loads((FOLDER / "captures.json").read_text())}
    with tempfile.TemporaryDirectory(prefix="replay") as temporary:
        folder = Path(temporary)
        for name in names or entries:
            entry = entries[name]
            if not entry["kerberos"]:
                yield name, replay(entry, folder, None)
                continue
            realm = folder / "realm"
            shutil.rmtree(realm, ignore_errors=True)
            with KDC(realm, REALM) as kdc:
                kdc.add_user("alice", "alices")
                services = [f"host/{service}.{REALM.lower()}" for service in ENCTYPES]
                for service, enctype in zip(services, ENCTYPES.values()):
                    kdc.add_service(service, [enctype])
                kdc.add_service(f"host/{NODE}")
                kdc.keytab(*services, f"host/{NODE}", path=folder / "services.keytab")
                yield name, replay(entry, folder, kdc)


def main(names: list[str]) -> int:
    status = 0
    for name, report in replay_all(names):
        lines = unexplained(report)
        print(f"{name}: {len(report['calls'])} calls, {len(lines)} unexplained differences", flush=True)
        for line in lines:
            print(f"  {line}")
        if report["status"] != 0:
            status = 1
            if report["errors"]:
                print(report["errors"], file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
