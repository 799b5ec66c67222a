"""What tshark makes of a capture: the requests, responses and faults of DCE/RPC, put together from their fragments.

    python tshark.py FILE [PASSWORD]

Sizes are those of the stubs on the wire, from the lengths in the headers as tshark reads them. Where tshark can open a stub, its
SHA-256 says what was in it. tshark 4.0 does not open Kerberos with SHA-2, nor what is behind SPNEGO.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

#: By the number of the PDU's type.
KINDS = {0: "request", 2: "response", 3: "fault"}


def pdus(path: Path, password: str | None = None, keytab: Path | None = None):
    """(stream, frame, fields) of each PDU; fields are the hexadecimal values by name, the first of each name."""
    command = ["tshark", "-n", "-r", str(path), "-T", "pdml", "-Y", "dcerpc", "-d", "tcp.port==135,dcerpc"]
    if password:
        command += ["-o", f"ntlmssp.nt_password:{password}"]
    if keytab:
        command += ["-o", "kerberos.decrypt:TRUE", "-K", str(keytab)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"}
    ) as process:
        stream = frame = None
        for _, element in ET.iterparse(process.stdout):
            if element.tag != "packet":
                continue
            for proto in element.iter("proto"):
                if proto.get("name") == "geninfo":
                    frame = int(next(f.get("show") for f in proto.iter("field") if f.get("name") == "num"))
                elif proto.get("name") == "tcp":
                    found = [f.get("show") for f in proto.iter("field") if f.get("name") == "tcp.stream"]
                    stream = int(found[0]) if found else stream
                elif proto.get("name") == "dcerpc":
                    fields = {}
                    for field in proto.iter("field"):
                        name = field.get("name") or field.get("show", "").partition(" (")[0]
                        fields.setdefault(name, field.get("show") if name in SHOWN else field.get("value"))
                    yield stream, frame, fields
            element.clear()
    assert process.returncode == 0


#: Fields whose meaning is taken, not their octets, whose order depends on the sender.
SHOWN = {
    "dcerpc.pkt_type", "dcerpc.cn_frag_len", "dcerpc.cn_auth_len", "dcerpc.cn_call_id", "dcerpc.auth_pad_len", "dcerpc.cn_flags",
    "dcerpc.opnum", "dcerpc.obj_id", "dcerpc.cn_ctx_id", "dcerpc.cn_status", "dcerpc.auth_level", "dcerpc.auth_type",
}  # fmt: skip


def messages(path: Path, password: str | None = None, keytab: Path | None = None) -> list[dict]:
    """One entry for each request, response and fault, in the order of their first fragments."""
    found: list[dict] = []
    current: dict[tuple, dict] = {}
    contexts: dict[int, set] = {}
    lost: set[int] = set()
    for stream, frame, fields in pdus(path, password, keytab):
        kind = KINDS.get(int(fields["dcerpc.pkt_type"]))
        if kind is None:
            continue
        flags = int(fields["dcerpc.cn_flags"], 0)
        call = int(fields["dcerpc.cn_call_id"])
        key = (stream, kind, call)
        if flags & 1:
            entry = current[key] = {"stream": stream, "kind": kind, "call": call, "context": int(fields["dcerpc.cn_ctx_id"])}
            if kind == "request":
                entry["opnum"] = int(fields["dcerpc.opnum"])
                if flags & 0x80:
                    entry["object"] = fields["dcerpc.obj_id"]
            if kind == "fault":
                entry["status"] = int(fields["dcerpc.cn_status"], 0)
            else:
                entry["size"] = 0
                entry["stub"] = b""
            found.append(entry)
        entry = current[key]
        if kind == "fault":
            continue
        authentication = int(fields["dcerpc.cn_auth_len"])
        # tshark shows the object of the request with the response, too.
        size = int(fields["dcerpc.cn_frag_len"]) - 24 - (16 if flags & 0x80 else 0)
        if authentication:
            size -= authentication + 8 + int(fields["dcerpc.auth_pad_len"])
        entry["size"] += size
        if authentication:
            contexts.setdefault(stream, set()).add(fields["dcerpc.auth_ctx_id"])
        # Behind SPNEGO it loses NTLM's key stream after the first message.
        sealed = authentication and fields.get("dcerpc.auth_level") == "6" and fields.get("dcerpc.auth_type") != "9"
        # Some it shows with a name, and some, where it knows the interface, without.
        whole = sealed and flags & 3 == 3
        opened = (fields.get("dcerpc.decrypted_stub_data") or fields.get("Complete stub data")) if whole else None
        # What begins with no ORPCTHAT is garbage: it may lose the key stream behind a PDU of many segments.
        if opened and kind == "response" and "dcerpc.obj_id" in fields and opened[2:8] != "000000":
            lost.add(stream)
        if opened is None or entry["stub"] is None or stream in lost:
            entry["stub"] = None
        else:
            entry["stub"] += bytes.fromhex(opened)[:size]
    for entry in found:
        stub = entry.pop("stub", None)
        # Of several security contexts on a connection it opens one, and takes the others for that.
        if stub and len(stub) == entry["size"] and len(contexts.get(entry["stream"], ())) == 1:
            entry["sha256"] = hashlib.sha256(stub).hexdigest()
    return found


if __name__ == "__main__":
    secret = sys.argv[2] if len(sys.argv) > 2 else None
    for message in messages(Path(sys.argv[1]), secret, Path(__file__).with_name("services.keytab")):
        print(json.dumps(message))
