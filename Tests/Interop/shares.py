"""File sharing between nodes, [MS-CSVP] 3.4.4.2, .3, .5 and .6: the calls, and the judges of what is shared.

The calls are marshalled by hand, from the specification's IDL; impacket's SMB client and Samba's look at the shares.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
import subprocess
import uuid

import pytest
from conftest import Clients
from csvp import IID_IClusterStorage3
from dcom import new_orpcthis
from impacket.smbconnection import SessionError, SMBConnection
from lab import Lab

E_INVALIDARG = 0x80070057
ERROR_ACCESS_DENIED = 0x80070005
ERROR_BAD_NETPATH = 0x80070035
ERROR_BUSY = 0x800700AA
ERROR_SERVICE_DOES_NOT_EXIST = 0x80070424
ERROR_SERVICE_NOT_ACTIVE = 0x80070426
STATUS_LOGON_FAILURE = 0xC000006D
STATUS_BAD_NETWORK_NAME = 0xC00000CC

#: Who the lab's nodes let in: those who run the lab.
USER = "root"


def hkdf(key: bytes, purpose: bytes, count: int) -> str:
    """RFC 5869 with SHA-256, no salt, up to 32 octets."""
    extracted = hmac.new(bytes(32), key, hashlib.sha256).digest()
    return hmac.new(extracted, b"clusprep test share " + purpose + b"\1", hashlib.sha256).digest()[:count].hex()


class ShareTest:
    """What everybody who knows a test's identifier and text can derive."""

    def __init__(self, secret: str = ""):
        self.id, self.secret = uuid.uuid4(), secret
        key = self.id.bytes_le + secret.encode("utf-16-le")
        self.name = "clusprep-" + hkdf(self.id.bytes_le, b"name", 8)
        self.password = hkdf(key, b"password", 16)
        self.token = hkdf(key, b"token", 16)


def string(text: bytes) -> bytes:
    """A conformant varying string of UTF-16LE octets."""
    count = len(text) // 2
    return struct.pack("<LLL", count, 0, count) + text


def padded(octets: bytes) -> bytes:
    """Up to a boundary of four, for whatever follows."""
    return octets + bytes(-len(octets) % 4)


def wide(text: str) -> bytes:
    return (text + "\0").encode("utf-16-le")


class Shares:
    """The four methods of one activated object, whose IClusterStorage2 is prepared."""

    def __init__(self, clients: Clients, node: int = 0, ready: bool = True):
        self.clients = clients
        self.storage = clients.storage(node, ready=ready)
        self.proxy = self.storage.proxy.object.query(IID_IClusterStorage3)

    def _call(self, opnum: int, arguments: bytes = b"") -> bytes:
        answer = self.proxy.call_raw((opnum, new_orpcthis().getData() + arguments))
        assert answer[4:8] == bytes(4), "ORPCTHAT has extensions"
        return answer[8:]

    def _code(self, opnum: int, arguments: bytes = b"") -> int:
        (code,) = struct.unpack("<L", self._call(opnum, arguments))
        return code

    def check(self) -> int:
        return self._code(4)

    def setup(self, test: ShareTest) -> int:
        return self._code(5, test.id.bytes_le + string(wide(test.secret)))

    def create(self) -> tuple[int, list[str]]:
        answer = self._call(7)
        (code,) = struct.unpack("<L", answer[-4:])
        (array,) = struct.unpack_from("<L", answer)
        if array == 0:
            assert struct.unpack_from("<L", answer, 4) == (0,)
            return code, []
        (count,) = struct.unpack_from("<L", answer, 4)
        referents = struct.unpack_from(f"<{count}L", answer, 8)
        assert 0 not in referents and len(set(referents)) == count
        at, texts = 8 + 4 * count, []
        for _ in range(count):
            maximum, offset, actual = struct.unpack_from("<LLL", answer, at)
            assert (offset, maximum) == (0, actual)
            text = answer[at + 12 : at + 12 + 2 * actual].decode("utf-16-le")
            assert text.endswith("\0")
            texts.append(text[:-1])
            at += 12 + 2 * actual + (2 * actual) % 4
        # The number of strings, not of octets.
        assert struct.unpack_from("<L", answer, at) == (count,)
        assert len(answer) == at + 8
        return code, texts

    def connect(self, paths: list[bytes | None]) -> int:
        arguments = struct.pack("<L", len(paths))
        arguments += b"".join(struct.pack("<L", 0 if path is None else 0x20000 + 4 * i) for i, path in enumerate(paths))
        arguments += b"".join(padded(string(path)) for path in paths if path is not None)
        return self._code(8, arguments + struct.pack("<L", len(paths)))

    def connect_to(self, *paths: str) -> int:
        return self.connect([wide(path) for path in paths])

    def release(self):
        self.clients.release(self.storage)


def read(node: dict, test: ShareTest, password: str | None = None) -> str:
    """The share's file, by impacket."""
    connection = SMBConnection(node["name"], node["address"], sess_port=node["sharePort"])
    try:
        connection.login(USER, password or test.password)
        tree = connection.connectTree(test.name)
        file = connection.openFile(tree, "clusprep.txt", desiredAccess=0x80000000, shareMode=1)
        return connection.readFile(tree, file).decode()
    finally:
        connection.close()


def smbclient(node: dict, test: ShareTest, command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["smbclient", f"//{node['address']}/{test.name}", "-p", str(node["sharePort"]), "-E"]
        + ["-U", f"{USER}%{test.password}", "-c", command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )


def leftovers(lab: Lab, node: dict) -> list[str]:
    """What a node has of tests: usershares, folders, Samba's accounts, the journal's entries."""
    folder = lab.folder / node["name"]
    # The share of the node's logs stays as long as the node does.
    found = [path.name for path in (folder / "samba" / "usershares").iterdir() if path.name != "clusprep-logs"]
    if (folder / "shares").exists():
        found += [path.name for path in (folder / "shares").iterdir()]
    accounts = subprocess.run(
        ["pdbedit", "-s", folder / "samba" / "smb.conf", "-L"], capture_output=True, text=True, check=True
    )
    journal = folder / "state" / "shares.json"
    entries = json.loads(journal.read_text()) if journal.exists() else []
    return found + accounts.stdout.split() + [entry["share"] for entry in entries]


def assert_gone(lab: Lab, node: dict, test: ShareTest):
    with pytest.raises(SessionError) as error:
        read(node, test)
    assert error.value.getErrorCode() == STATUS_LOGON_FAILURE
    assert smbclient(node, test, "ls").returncode != 0
    assert leftovers(lab, node) == []
