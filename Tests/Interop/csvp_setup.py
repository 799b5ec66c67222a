"""IClusterSetup's certificates and IClusterCleanup for impacket's connections, packed by hand from [MS-CSVP] 2.2.23, 2.2.26,
3.8.4 and 3.10.4. Nothing here comes from the project's own IDL files or code.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import csvp
from csvp import iid
from dcom import new_orpcthis
from impacket.uuid import string_to_bin

IID_IClusterCleanup = iid("D6105110-8917-41A5-AA32-8E0AA2933DC9")
CLSID_ClusterCleanup = string_to_bin("A6D3E32B-9814-4409-8DE3-CFA673E6D3DE")

WAIT_TIMEOUT = 0x80070102

CLUSTERCLEANUP_STOP_CLUSTER_SERVICE = 0
CLUSTERCLEANUP_DONT_STOP_CLUSTER_SERVICE = 1
CLUSTERCLEANUP_DONT_WAIT_CLUSTER_SERVICE_STOP = 2

# CLUSTER_CERTTYPE, 2.2.26; None stands for the methods without a type.
Cluster_SChannel, ClusterSet_SChannel, Cluster_PKU2U, ClusterSet_PKU2U = range(4)
KINDS = [None, Cluster_SChannel, ClusterSet_SChannel, Cluster_PKU2U, ClusterSet_PKU2U]

CERT_ROOM, KEY_ROOM, SECRET_ROOM = 1024 * 5, 1024 * 10, 32 + 1


@dataclass
class ClusterCert:
    """2.2.23: two ULONGs, three fixed arrays, nothing between them; 15,434 octets."""

    cert: bytes
    key: bytes
    secret: str = ""
    cb_cert: int | None = None
    cb_key: int | None = None
    raw_secret: bytes | None = None

    def pack(self) -> bytes:
        wide = self.secret.encode("utf-16-le") if self.raw_secret is None else self.raw_secret
        return (
            struct.pack(
                "<LL",
                len(self.cert) if self.cb_cert is None else self.cb_cert,
                len(self.key) if self.cb_key is None else self.cb_key,
            )
            + self.cert.ljust(CERT_ROOM, b"\0")
            + self.key.ljust(KEY_ROOM, b"\0")
            + wide.ljust(SECRET_ROOM * 2, b"\0")
        )

    SIZE = 8 + CERT_ROOM + KEY_ROOM + SECRET_ROOM * 2

    @staticmethod
    def unpack(octets: bytes) -> ClusterCert:
        assert len(octets) == ClusterCert.SIZE == 15434
        cb_cert, cb_key = struct.unpack_from("<LL", octets)
        assert cb_cert <= CERT_ROOM and cb_key <= KEY_ROOM, "a length is more than its array"
        cert, key = octets[8 : 8 + CERT_ROOM], octets[8 + CERT_ROOM : 8 + CERT_ROOM + KEY_ROOM]
        secret = octets[8 + CERT_ROOM + KEY_ROOM :]
        assert not cert[cb_cert:].strip(b"\0") and not key[cb_key:].strip(b"\0"), "something is beyond the lengths"
        text = secret.decode("utf-16-le", "surrogatepass")
        return ClusterCert(cert[:cb_cert], key[:cb_key], text.partition("\0")[0])


def raw_call(proxy, opnum: int, body: bytes) -> tuple[int, bytes]:
    """The HRESULT, and what is between ORPCTHAT and it."""
    answer = proxy.call_raw((opnum, new_orpcthis().getData() + body))
    flags, extensions = struct.unpack_from("<LL", answer)
    assert flags == 0 and extensions == 0, "ORPCTHAT"
    return struct.unpack("<L", answer[-4:])[0], answer[8:-4]


class Certificates:
    """Opnums 6 to 16 of an activated ClusterSetup."""

    def __init__(self, setup: csvp.Setup):
        self.proxy = setup.proxy

    def word(self, opnum: int) -> tuple[int, int]:
        code, body = raw_call(self.proxy, opnum, b"")
        assert len(body) == 4 and body[2:] == b"\0\0", "a WORD, and padding"
        return code, struct.unpack_from("<H", body)[0]

    def functional_level(self):
        return self.word(6)

    def upgrade_version(self):
        return self.word(12)

    @staticmethod
    def _type(kind) -> bytes:
        # An NDR enum: 16 bits in NDR 2.0, on a multiple of two, where it is anyway.
        return b"" if kind is None else struct.pack("<H", kind)

    @staticmethod
    def _certificate(body: bytes) -> ClusterCert:
        # 15,434 octets, and two to the HRESULT's alignment.
        return ClusterCert.unpack(body[: ClusterCert.SIZE])

    def configure(self, certificate: ClusterCert, kind=None) -> int:
        code, body = raw_call(self.proxy, 9 if kind is None else 14, certificate.pack() + self._type(kind))
        assert body == b""
        return code

    def retrieve(self, kind=None) -> tuple[int, ClusterCert]:
        code, body = raw_call(self.proxy, 10 if kind is None else 15, self._type(kind))
        return code, self._certificate(body)

    def generate(self, kind=None, came: ClusterCert | None = None) -> tuple[int, ClusterCert]:
        came = came or ClusterCert(b"", b"")
        code, body = raw_call(self.proxy, 11 if kind is None else 16, came.pack() + self._type(kind))
        return code, self._certificate(body)


class Cleanup:
    """IClusterCleanup of one activated object."""

    def __init__(self, proxy):
        self.proxy = proxy

    def clean_up(self, delay: int = 0, timeout: int = 25_000, flags: int = 0) -> int:
        code, body = raw_call(self.proxy, 3, struct.pack("<LLL", delay, timeout, flags))
        assert body == b""
        return code

    def clear_pr(self, number: int) -> int:
        code, body = raw_call(self.proxy, 4, struct.pack("<L", number))
        assert body == b""
        return code
