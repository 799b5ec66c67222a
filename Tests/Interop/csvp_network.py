"""IClusterNetwork2 of [MS-CSVP] 3.6 for the tests: stubs written and read octet by octet.

The methods without SAFEARRAYs use impacket's NDR. SAFEARRAYs ([MS-OAUT] 2.2.30.10) are marshaled by hand, from the specification's
structures, because the tests need each of their fields wrong by itself: nothing here comes from the project's own IDL or code.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import csvp
from csvp import BSTR, bstr_octets, put_bstr  # noqa: F401  (DCERPCSessionError's neighbours)
from dcom import Fault
from impacket.dcerpc.v5.dcomrt import DCOMANSWER, DCOMCALL
from impacket.dcerpc.v5.dtypes import ULONG, USHORT
from impacket.uuid import string_to_bin

DCERPCSessionError = csvp.DCERPCSessionError

IID_IClusterNetwork2 = csvp.iid("2931C32C-F731-4C56-9FEB-3D5F1C5E72BF")
CLSID_ClusterNetwork2 = string_to_bin("E1568352-586D-43E4-933F-8E6DC4DE317A")

E_FAIL = 0x80004005
BAD_STUB = 0x800706F7
NOT_ENOUGH_QUOTA = 0x80070718
TIMEOUT = 0x800705B4
WSAEAFNOSUPPORT = 0x8007273F
WSAEADDRNOTAVAIL = 0x80072741
NETWORK_UNREACHABLE = 0x800704CF

AF_INET, AF_INET6 = 0x0002, 0x0017
DOWN, UP, UP_DOWN = 0, 1, 2

# [MS-OAUT] 2.2.7, 2.2.8, 2.2.9
VT_I4, VT_BSTR, VT_BOOL, VT_DECIMAL, VT_UI1, VT_UI4, VT_RECORD = 3, 8, 11, 14, 17, 19, 0x24
SF_ERROR, SF_I1, SF_I2, SF_I4, SF_I8, SF_BSTR, SF_RECORD = 10, 0x10, 2, 3, 0x14, 8, 0x24
FADF_AUTO, FADF_STATIC, FADF_EMBEDDED, FADF_FIXEDSIZE = 1, 2, 4, 0x10
FADF_RECORD, FADF_HAVEVARTYPE, FADF_BSTR, FADF_VARIANT = 0x20, 0x80, 0x100, 0x800

#: CLSID_RecordInfo and IID_IRecordInfo, [MS-OAUT] 1.9
RECORD_INFO = bytes.fromhex("2f000000 0000 0000 c000000000000046")

ORPCTHIS = struct.pack("<HHLL", 5, 7, 0, 0) + bytes(16) + struct.pack("<L", 0)


class Writer:
    """NDR 2.0, little endian. Alignment counts from the first octet."""

    def __init__(self, octets: bytes = b""):
        self.octets = bytearray(octets)
        self._referent = 0x20000

    def align(self, to: int):
        self.octets += bytes(-len(self.octets) % to)

    def u16(self, *values: int):
        for value in values:
            self.align(2)
            self.octets += struct.pack("<H", value)

    def u32(self, *values: int):
        for value in values:
            self.align(4)
            self.octets += struct.pack("<L", value & 0xFFFFFFFF)

    def pointer(self, to):
        """A unique pointer's referent identifier; zero for None."""
        self.u32(0 if to is None else self._referent)
        self._referent += 4

    def blob(self, octets: bytes):
        """FLAGGED_WORD_BLOB."""
        units = (len(octets) + 1) // 2
        self.u32(units, len(octets), units)
        self.octets += octets + bytes(len(octets) % 2)


@dataclass
class Records:
    """BRECORD ([MS-OAUT] 2.2.28.2): marshaled structures, described."""

    octets: bytes | None
    count: int
    flags: int | None = None
    size: int | None = None
    prefix: int | None = None
    clsid: bytes = RECORD_INFO
    iid: bytes = RECORD_INFO
    info: bytes = bytes(range(44))
    description: bool = True
    collections: int = 1

    def body(self, out: Writer):
        whole = None if self.octets is None else struct.pack("<L", self.prefix or len(self.octets) + 4) + self.octets
        out.u32(
            (0 if whole is None else 1) if self.flags is None else self.flags,
            len(whole or b"") if self.size is None else self.size,
        )
        out.pointer(self.description or None)
        out.pointer(whole)
        return whole

    def referents(self, out: Writer, whole: bytes | None):
        if self.description:
            # OBJREF_CUSTOM: signature, flags, iid, clsid, cbExtension, size, the data
            objref = b"MEOW" + struct.pack("<L", 4) + self.iid + self.clsid + struct.pack("<LL", 0, len(self.info)) + self.info
            out.u32(len(objref), len(objref))
            out.octets += objref
        if whole is not None:
            out.u32(len(whole))
            out.octets += whole


@dataclass
class SafeArray:
    """A SAFEARRAY, whose parts can be told to disagree."""

    kind: int
    elements: list | bytes | Records
    features: int
    size: int
    vt: int = 0
    bounds: list[tuple[int, int]] | None = None
    count: int | None = None
    locks: int = 0
    discriminant: int | None = field(default=None)

    def write(self, out: Writer):
        number = self.elements.count if isinstance(self.elements, Records) else len(self.elements)
        bounds = [(number, 0)] if self.bounds is None else self.bounds
        out.align(4)
        out.u32(len(bounds))
        out.u16(len(bounds), self.features)
        out.u32(self.size, self.vt << 16 | self.locks, self.kind if self.discriminant is None else self.discriminant)
        told = 1 if isinstance(self.elements, Records) else number
        if isinstance(self.elements, Records):
            told = self.elements.collections
        out.u32(told if self.count is None else self.count)
        out.pointer(self)
        for elements, lower in bounds:
            out.u32(elements, lower)
        out.u32(told if self.count is None else self.count)
        if isinstance(self.elements, Records):
            for _ in range(told):
                out.pointer(self)
            for _ in range(told):
                whole = self.elements.body(out)
                self.elements.referents(out, whole)
        elif self.kind == SF_BSTR:
            for element in self.elements:
                out.pointer(element)
            for element in self.elements:
                if element is not None:
                    out.blob(element)
        elif self.kind == SF_I1:
            out.octets += bytes(self.elements)
        elif self.kind == SF_I2:
            out.u16(*self.elements)
        elif self.kind == SF_I4:
            out.u32(*self.elements)
        elif self.kind == SF_I8:
            out.align(8)
            for element in self.elements:
                out.octets += struct.pack("<q", element)


def longs(values, **changes) -> SafeArray:
    """SAFEARRAY(ULONG)."""
    return SafeArray(**{"kind": SF_I4, "elements": list(values), "features": FADF_HAVEVARTYPE, "size": 4, "vt": VT_UI4} | changes)


def strings(values, **changes) -> SafeArray:
    """SAFEARRAY(BSTR)."""
    octets = [value.encode("utf-16-le") if isinstance(value, str) else value for value in values]
    features = FADF_BSTR | FADF_HAVEVARTYPE
    return SafeArray(**{"kind": SF_BSTR, "elements": octets, "features": features, "size": 4, "vt": VT_BSTR} | changes)


def records(value: Records, **changes) -> SafeArray:
    """A SAFEARRAY of structures."""
    return SafeArray(**{"kind": SF_RECORD, "elements": value, "features": FADF_RECORD, "size": 4} | changes)


@dataclass
class NodeRouteInfo:
    """NODE_ROUTE_INFO, 2.2.18. None is a NULL pointer."""

    remote_virtual: str | bytes | None
    locals: SafeArray | None
    remotes: SafeArray | None
    indices: SafeArray | None

    @staticmethod
    def of(remote_virtual: str, routes: list[tuple[str, str, int]]) -> NodeRouteInfo:
        return NodeRouteInfo(
            remote_virtual,
            strings([local for local, _, _ in routes]),
            strings([remote for _, remote, _ in routes]),
            longs([index for _, _, index in routes]),
        )

    def body(self, out: Writer):
        for part in (self.remote_virtual, self.locals, self.remotes, self.indices):
            out.pointer(part)

    def referents(self, out: Writer):
        if self.remote_virtual is not None:
            out.blob(octets_of(self.remote_virtual))
        for part in (self.locals, self.remotes, self.indices):
            if part is not None:
                part.write(out)


def octets_of(text: str | bytes) -> bytes:
    return text.encode("utf-16-le") if isinstance(text, str) else text


def marshaled(nodes: list[NodeRouteInfo], one_by_one: bool = False) -> bytes:
    """The structures of a collection: as an array, or each with its referents at once."""
    out = Writer(bytes(4))  # the length in front, which Records writes
    if one_by_one:
        for node in nodes:
            node.body(out)
            node.referents(out)
    else:
        for node in nodes:
            node.body(out)
        for node in nodes:
            node.referents(out)
    return bytes(out.octets[4:])


def route_request(
    local_virtual: str | bytes | None, nodes: list[NodeRouteInfo] | SafeArray | None, one_by_one: bool = False
) -> bytes:
    """ADD_ROUTES_REQUEST, 2.2.19, as ProcessAddRoutes's stub."""
    array = nodes
    if isinstance(nodes, list):
        array = records(Records(marshaled(nodes, one_by_one) if nodes else None, len(nodes)))
    out = Writer()
    out.pointer(local_virtual)
    out.pointer(array)
    if local_virtual is not None:
        out.blob(octets_of(local_virtual))
    if array is not None:
        array.write(out)
    return bytes(out.octets)


class Reader:
    """NDR 2.0, strict: padding aside, every octet is read, and every count is checked against its twin."""

    def __init__(self, octets: bytes, offset: int = 0):
        self.octets, self.offset = octets, offset

    def align(self, to: int):
        self.offset += -self.offset % to

    def take(self, count: int) -> bytes:
        taken = self.octets[self.offset : self.offset + count]
        assert len(taken) == count, f"{count} octets wanted at {self.offset} of {len(self.octets)}"
        self.offset += count
        return taken

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        self.align(2)
        return struct.unpack("<H", self.take(2))[0]

    def u32(self) -> int:
        self.align(4)
        return struct.unpack("<L", self.take(4))[0]

    def end(self):
        assert self.offset == len(self.octets), f"{len(self.octets) - self.offset} octets follow"


def read_safearray(reader: Reader, kind: int, features: int, size: int, vt: int):
    """A SAFEARRAY of one dimension that begins at zero, which has to be exactly what is named."""
    assert reader.u32() == 1, "hoisted maximum count"
    assert (reader.u16(), reader.u16()) == (1, features)
    assert (reader.u32(), reader.u32(), reader.u32()) == (size, vt << 16, kind)
    told = reader.u32()
    assert reader.u32() != 0
    count, lower = reader.u32(), reader.u32()
    assert lower == 0
    assert reader.u32() == told
    if kind == SF_RECORD:
        assert told == 1
        assert reader.u32() != 0
        flags, length = reader.u32(), reader.u32()
        assert reader.u32() != 0 and reader.u32() != 0
        reference = read_counted(reader)
        assert reference[:8] == b"MEOW" + struct.pack("<L", 4)
        assert reference[8:24] == reference[24:40] == RECORD_INFO
        # cbExtension; behind it a field that may hold anything, then the description
        assert reference[40:44] == bytes(4) and len(reference) == 48 + 44
        reader.align(4)
        assert reader.u32() == length
        whole = reader.take(length)
        assert flags == 1 and struct.unpack_from("<L", whole)[0] == length
        return whole, count
    assert told == count
    if kind == SF_I1:
        return reader.take(count)
    assert kind == SF_I4
    return [reader.u32() for _ in range(count)]


def read_counted(reader: Reader) -> bytes:
    """MInterfacePointer."""
    count = reader.u32()
    assert reader.u32() == count
    return reader.take(count)


def _method(name: str, opnum: int, request=(), response=()):
    globals()[name] = type(name, (DCOMCALL,), {"opnum": opnum, "structure": tuple(request), "__module__": __name__})
    globals()[name + "Response"] = type(
        name + "Response",
        (DCOMANSWER,),
        {"structure": tuple(response) + (("ErrorCode", ULONG),), "__module__": __name__},
    )


_method(
    "SendRTMessage",
    3,
    [
        ("SourceIPAddress", BSTR),
        ("DestIPAddress", BSTR),
        ("DestPort", USHORT),
        ("AddressFamily", USHORT),
        ("MessageSize", ULONG),
        ("Timeout", ULONG),
    ],
    [("RTElapsedTime", ULONG)],
)
_method(
    "InitializeNode",
    4,
    [("RequestUDPPort", USHORT)],
    [("BoundUDPPort", USHORT), ("NodeMajorVersion", ULONG), ("NodeMinorVersion", ULONG), ("ClusprepVersion", ULONG)],
)


class Network:
    """IClusterNetwork2 of one activated object. Every method returns its HRESULT, then what it tells."""

    def __init__(self, proxy):
        self.proxy = proxy

    def stub(self, opnum: int, stub: bytes = b"") -> Reader:
        """The response behind ORPCTHAT; a fault is raised."""
        answer = self.proxy.call_raw((opnum, ORPCTHIS + stub))
        assert answer[:8] == bytes(8), "ORPCTHAT"
        return Reader(answer, 8)

    def plain(self, opnum: int) -> int:
        """A method without parameters."""
        reader = self.stub(opnum)
        code = reader.u32()
        reader.end()
        return code

    def initialize(self, port: int = 0):
        request = InitializeNode()  # noqa: F821
        request["RequestUDPPort"] = port
        answer = self.proxy.call(request)
        return answer["ErrorCode"], answer

    def round_trip(self, source, destination, family=AF_INET, port=3343, size=64, timeout=1000):
        request = SendRTMessage()  # noqa: F821
        put_bstr(request, "SourceIPAddress", None if source is None else octets_of(source))
        put_bstr(request, "DestIPAddress", None if destination is None else octets_of(destination))
        request["DestPort"], request["AddressFamily"] = port, family
        request["MessageSize"], request["Timeout"] = size, timeout
        answer = self.proxy.call(request)
        return answer["ErrorCode"], answer["RTElapsedTime"]

    def adapters(self, apply_filter: int = 0) -> tuple[int, bytes | None]:
        """GetIpConfigSerialized: the list of adapters, with the SAFEARRAY around it and pcbOut checked."""
        reader = self.stub(5, bytes([apply_filter & 0xFF]))
        octets = None
        if reader.u32():
            octets = read_safearray(reader, SF_I1, FADF_HAVEVARTYPE, 1, VT_UI1)
        size, code = reader.u32(), reader.u32()
        reader.end()
        assert size == len(octets or b"")
        return code, octets

    def clean_up(self) -> int:
        return self.plain(6)

    def firewall(self) -> tuple[int, int, int]:
        reader = self.stub(7)
        server, management = reader.u8(), reader.u8()
        code = reader.u32()
        reader.end()
        return code, server, management

    def add_routes(self, stub: bytes) -> int:
        reader = self.stub(8, stub)
        code = reader.u32()
        reader.end()
        return code

    def status(self):
        """GetAddRoutesStatus: the HRESULT, then None for routeUnavailable, or (index, loss, state) of each route."""
        reader = self.stub(9)
        indices, replies = reader.u32(), reader.u32()
        unavailable = reader.u8()
        assert unavailable in (0, 1)
        numbers, routes = [], []
        if indices:
            numbers = read_safearray(reader, SF_I4, FADF_HAVEVARTYPE, 4, VT_UI4)
        if replies:
            whole, count = read_safearray(reader, SF_RECORD, FADF_RECORD, 4, 0)
            inner = Reader(whole, 4)
            routes = [(inner.u32(), inner.u16()) for _ in range(count)]
            inner.end()
        code = reader.u32()
        reader.end()
        if unavailable:
            assert not indices and not replies
            return code, None
        assert len(numbers) == len(routes)
        assert all(loss <= 100 and state in (DOWN, UP, UP_DOWN) for loss, state in routes)
        return code, [(number, loss, state) for number, (loss, state) in zip(numbers, routes, strict=True)]

    def reserved(self) -> int:
        return self.plain(10)

    def cancel(self) -> int:
        return self.plain(11)


def refusal(call):
    """What a call that is refused is refused with: an HRESULT, or the name of a fault's status."""
    try:
        code = call()
    except Fault as fault:
        return f"fault 0x{fault.status:x}"
    return code[0] if isinstance(code, tuple) else code
