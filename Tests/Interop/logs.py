"""Cluster logs, [MS-CSVP] 3.12 and 3.18 to 3.20: the calls, marshalled by hand from the specification's IDL, and the files as
impacket's SMB client and Samba's fetch them from the share."""

from __future__ import annotations

import re
import struct
import subprocess
from datetime import datetime, timezone

from conftest import Clients
from csvp import iid
from dcom import new_orpcthis
from impacket.smbconnection import SMBConnection
from impacket.uuid import string_to_bin
from lab import Lab

CLSID_ClusterLog = string_to_bin("88E7AC6D-C561-4F03-9A60-39DD768F867D")
IID_IClusterLog = iid("85923CA7-1B6B-4E83-A2E4-F5BA3BFBB8A3")
IID_IClusterLogEx = iid("BD7C23C2-C805-457C-8F86-D17FE6B9D19F")
IID_IClusterLogEx2 = iid("2510EA7D-C355-40C9-852C-E3B1B1338D67")
IID_IClusterLogEx3 = iid("E6D3C166-560F-4B58-B31A-FDEA05FB606F")

#: ClusterLogExFlag, 2.2.25
LOCAL_TIME, SKIP_CLUSTER_STATE = 1, 2
#: ClusterLogType, 2.2.28
CLUSTER, HEALTH, CLUSTER_SET, NETWORK, NETFT = range(5)

E_INVALIDARG = 0x80070057
E_OUTOFMEMORY = 0x8007000E
ERROR_NOT_FOUND = 0x80070490

#: What people who read cluster logs know.
LINE = re.compile(
    r"^[0-9a-f]{8}\.[0-9a-f]{8}::(\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d\.\d{3}) (DBG  |INFO |WARN |ERR  ) \[([^\]]+)\] (.*)$"
)


def bstr(text: str | None, alignment: int = 4) -> bytes:
    """A BSTR that is a parameter: a unique pointer to a FLAGGED_WORD_BLOB ([MS-OAUT] 2.2.23); filled up for what follows."""
    if text is None:
        return struct.pack("<LLLL", 0x20000, 0, 0xFFFFFFFF, 0)
    octets = text.encode("utf-16-le")
    return struct.pack("<LLLL", 0x20000, len(octets) // 2, len(octets), len(octets) // 2) + octets + bytes(
        -len(octets) % alignment
    )


class Answer:
    """Reads what a method returned."""

    def __init__(self, octets: bytes):
        assert octets[4:8] == bytes(4), "ORPCTHAT has extensions"
        self.octets, self.at = octets[8:], 0

    def number(self) -> int:
        self.at += 4
        return struct.unpack_from("<L", self.octets, self.at - 4)[0]

    def bstr(self) -> str | None:
        if self.number() == 0:
            return None
        maximum, octets, units = self.number(), self.number(), self.number()
        assert maximum == units and octets == 2 * units
        text = self.octets[self.at : self.at + octets].decode("utf-16-le")
        self.at += octets + -octets % 4
        return text

    def end(self) -> int:
        code = self.number()
        assert self.at == len(self.octets)
        return code


class Logs:
    """One activated object and its four interfaces. Methods return the HRESULT and the path."""

    def __init__(self, clients: Clients, node: int = 0):
        self.object = clients.activate(CLSID_ClusterLog, IID_IClusterLog, node)
        self.first = self.object.main
        self.ex, self.ex2, self.ex3 = (
            self.object.query(iid) for iid in (IID_IClusterLogEx, IID_IClusterLogEx2, IID_IClusterLogEx3)
        )

    @staticmethod
    def call(proxy, opnum: int, arguments: bytes = b"") -> Answer:
        return Answer(proxy.call_raw((opnum, new_orpcthis().getData() + arguments)))

    def path(self, proxy, opnum: int, arguments: bytes = b"") -> tuple[int, str | None]:
        answer = self.call(proxy, opnum, arguments)
        path = answer.bstr()
        return answer.end(), path

    def cluster(self):
        return self.path(self.first, 3)

    def span(self, minutes: int):
        return self.path(self.first, 4, struct.pack("<L", minutes))

    def cluster_local(self):
        return self.path(self.first, 5)

    def span_local(self, minutes: int):
        return self.path(self.first, 6, struct.pack("<L", minutes))

    def extended(self, opnum: int, minutes: int, flags: int = 0):
        """GenerateClusterLog, HealthLog, SetLog and NetftLog: 3, 4, 5 and 8."""
        return self.path(self.ex, opnum, struct.pack("<LH", minutes, flags))

    def network(self, minutes: int, level: int = 0, flags: int = 0):
        return self.path(self.ex, 6, struct.pack("<LlH", minutes, level, flags))

    def performance(self, stream: str | None, flags: int = 0, pattern: bytes | None = None):
        return self.path(
            self.ex, 7, (bstr("*") if pattern is None else pattern) + bstr(stream, 2) + struct.pack("<H", flags)
        )

    def log_ex(self, kind: int, minutes: int, flags: int = 0, no_collate: int = 0):
        return self.path(self.ex2, 9, struct.pack("<HxxLHxxl", kind, minutes, flags, no_collate))

    def count(self) -> tuple[int, int]:
        answer = self.call(self.ex2, 10)
        count = answer.number()
        return answer.end(), count

    def file_path(self, index: int):
        return self.path(self.ex2, 11, struct.pack("<L", index))

    def log_ex2(self, kind: int, minutes: int, flags: int = 0, no_collate: int = 0):
        answer = self.call(self.ex3, 12, struct.pack("<HxxLHxxl", kind, minutes, flags, no_collate))
        path, paths = answer.bstr(), answer.bstr()
        return answer.end(), path, paths


class Reader:
    """Somebody whom Samba knows and lets read the node's logs: root, in the lab."""

    def __init__(self, lab: Lab, node: dict):
        self.node, self.password = node, "reader of logs"
        self.configuration = lab.folder / node["name"] / "samba" / "smb.conf"
        self._pdbedit("-a", "-t", "-u", "root", input=f"{self.password}\n" * 2)

    def _pdbedit(self, *arguments: str, **how):
        subprocess.run(
            ["pdbedit", "-s", str(self.configuration), *arguments], check=True, text=True, capture_output=True, **how
        )

    def forget(self):
        self._pdbedit("-x", "-u", "root")

    def fetch(self, path: str) -> str:
        """By impacket."""
        share, name = path.split("\\")
        connection = SMBConnection(self.node["name"], self.node["address"], sess_port=self.node["sharePort"])
        try:
            connection.login("root", self.password)
            octets = []
            connection.getFile(share, name, octets.append)
            return b"".join(octets).decode()
        finally:
            connection.close()

    def smbclient(self, share: str, command: str, user: str | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["smbclient", f"//{self.node['address']}/{share}", "-p", str(self.node["sharePort"]), "-E"]
            + ["-U", user if user is not None else f"root%{self.password}", "-c", command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
        )


def events(text: str) -> list[tuple[datetime, str, str, str]]:
    """Time, level, component and text of each event; every line after the heading has to be one."""
    lines = text.split("[=== Events ===]\n", 1)[1].split("\n\n[=== Gaps", 1)[0].splitlines()
    found = []
    for line in lines:
        match = LINE.match(line)
        assert match, line
        time = datetime.strptime(match[1], "%Y/%m/%d-%H:%M:%S.%f").replace(tzinfo=timezone.utc)
        found.append((time, match[2].strip(), match[3], match[4]))
    return found
