"""DCOM's requests and answers as octets, written down from [MS-DCOM] and C706 chapter 14.

impacket asks for one interface at a time, sends no extensions and takes a ping's sequence number from its set. These stubs
say whatever a test wants them to say.
"""

from __future__ import annotations

import struct
import uuid

IID_IUnknown = uuid.UUID("00000000-0000-0000-c000-000000000046").bytes_le
IID_IClassFactory = uuid.UUID("00000001-0000-0000-c000-000000000046").bytes_le
S_FALSE = 1
E_NOINTERFACE = 0x80004002
E_OUTOFMEMORY = 0x8007000E
E_INVALIDARG = 0x80070057
RPC_E_DISCONNECTED = 0x80010108
RPC_E_VERSION_MISMATCH = 0x80010110
RPC_E_INVALID_HEADER = 0x80010111
RPC_E_INVALID_EXTENSION = 0x80010112
RPC_E_INVALID_IPID = 0x80010113
RPC_E_INVALID_OBJECT = 0x80010114
RPC_E_INVALID_OBJREF = 0x8001011D
CO_E_OBJNOTREG = 0x800401FB
REGDB_E_CLASSNOTREG = 0x80040154
OR_INVALID_OXID, OR_INVALID_OID, OR_INVALID_SET = 1910, 1911, 1912
RPC_S_PROTSEQ_NOT_SUPPORTED = 1703
RPC_X_BAD_STUB_DATA = 1783
ERROR_ACCESS_DENIED = 5


class Reader:
    """Takes an answer apart; what is left over at the end is an error."""

    def __init__(self, octets: bytes):
        self.octets, self.position = octets, 0

    def align(self, size: int):
        self.position += -self.position % size

    def take(self, count: int) -> bytes:
        assert self.position + count <= len(self.octets), "the answer is too short"
        taken = self.octets[self.position : self.position + count]
        self.position += count
        return taken

    def number(self, size: int) -> int:
        self.align(size)
        return int.from_bytes(self.take(size), "little")

    def u16(self) -> int:
        return self.number(2)

    def u32(self) -> int:
        return self.number(4)

    def u64(self) -> int:
        return self.number(8)

    def guid(self) -> bytes:
        self.align(4)
        return self.take(16)

    def done(self):
        assert self.position == len(self.octets), f"{len(self.octets) - self.position} octets are left over"


# ORPC headers


def extension(octets: bytes, identifier: bytes = b"\x5a" * 16) -> tuple[bytes, bytes]:
    return identifier, octets


def orpcthis(version=(5, 7), flags=0, reserved=0, cid: bytes | None = None, extensions=()) -> bytes:
    """ORPCTHIS (2.2.13.3) with the extensions behind it."""
    head = struct.pack("<HHLL", *version, flags, reserved) + (cid or uuid.uuid4().bytes_le)
    if not extensions:
        return head + bytes(4)
    count = len(extensions) + len(extensions) % 2
    body = struct.pack("<LLLLL", 0x20000, len(extensions), 0, 0x20004, count)
    body += b"".join(struct.pack("<L", 0x20008 + 4 * index if index < len(extensions) else 0) for index in range(count))
    for identifier, octets in extensions:
        padded = octets + bytes(-len(octets) % 8)
        body += struct.pack("<L", len(padded)) + identifier + struct.pack("<L", len(octets)) + padded
    return head + body


def orpcthat(reader: Reader) -> list[tuple[bytes, bytes]]:
    """Reads ORPCTHAT (2.2.13.4); its extensions."""
    reader.u32()
    if not reader.u32():
        return []
    size, _, pointer = reader.u32(), reader.u32(), reader.u32()
    if not pointer:
        return []
    present = [reader.u32() for _ in range(reader.u32())]
    extensions = []
    for _ in filter(None, present):
        count = reader.u32()
        identifier, length = reader.guid(), reader.u32()
        extensions.append((identifier, reader.take(count)[:length]))
    assert len(extensions) == size
    return extensions


# Object references


class Reference:
    """STDOBJREF (2.2.18.1)."""

    def __init__(self, reader: Reader):
        reader.align(8)
        self.flags, self.references = reader.u32(), reader.u32()
        self.oxid, self.oid, self.ipid = reader.u64(), reader.u64(), reader.guid()


def dual_strings(units: bytes, security_offset: int) -> tuple[list[tuple[int, str]], list[int]]:
    """A DUALSTRINGARRAY's string bindings, and the security providers of its security bindings (2.2.19)."""

    def entries(part: bytes, skip: int):
        numbers = struct.unpack(f"<{len(part) // 2}H", part)
        found, position = [], 0
        while numbers[position]:
            kind, start = numbers[position], position + 1 + skip
            end = numbers.index(0, start)
            found.append((kind, part[2 * start : 2 * end].decode("utf-16-le")))
            position = end + 1
        return found

    return entries(units[: 2 * security_offset], 0), [kind for kind, _ in entries(units[2 * security_offset :], 1)]


def read_dual_strings(reader: Reader):
    """As an NDR parameter."""
    count = reader.u32()
    assert reader.u16() == count
    offset = reader.u16()
    return dual_strings(reader.take(2 * count), offset)


def objref(octets: bytes) -> tuple[bytes, Reference, list[tuple[int, str]]]:
    """An OBJREF_STANDARD (2.2.18.4): its interface, its reference and the resolver's string bindings."""
    signature, flags = struct.unpack_from("<LL", octets)
    assert signature == 0x574F454D and flags == 1
    reader = Reader(octets[24:])
    reference = Reference(reader)
    count, offset = reader.u16(), reader.u16()
    strings, _ = dual_strings(reader.take(2 * count), offset)
    reader.done()
    return octets[8:24], reference, strings


def interface_pointers(reader: Reader, count: int) -> list[bytes | None]:
    """An array of pointers to MInterfacePointers (2.2.14), each one's OBJREF."""
    assert reader.u32() == count
    present = [reader.u32() for _ in range(count)]
    found = []
    for pointer in present:
        if not pointer:
            found.append(None)
            continue
        size = reader.u32()
        assert reader.u32() == size
        found.append(reader.take(size))
    reader.align(4)
    return found


def custom_objref(iid: bytes, clsid: bytes, data: bytes) -> bytes:
    return struct.pack("<LL", 0x574F454D, 4) + iid + clsid + struct.pack("<LL", 0, 0) + data


def interface_pointer(octets: bytes) -> bytes:
    return struct.pack("<LL", len(octets), len(octets)) + octets + bytes(-len(octets) % 4)


# IRemUnknown and IRemUnknown2


def rem_query_interface(ipid: bytes, references: int, iids: list[bytes], this: bytes | None = None):
    return 3, (this or orpcthis()) + ipid + struct.pack("<LHxxL", references, len(iids), len(iids)) + b"".join(iids)


def rem_query_interface_answer(stub: bytes):
    """(return value, [(HRESULT, reference)])."""
    reader = Reader(stub)
    orpcthat(reader)
    results = []
    if reader.u32():
        for _ in range(reader.u32()):
            reader.align(8)
            results.append((reader.u32(), Reference(reader)))
    code = reader.u32()
    reader.done()
    return code, results


def rem_query_interface2(ipid: bytes, iids: list[bytes]):
    return 6, orpcthis() + ipid + struct.pack("<HxxL", len(iids), len(iids)) + b"".join(iids)


def rem_query_interface2_answer(stub: bytes):
    """(return value, [HRESULT], [OBJREF or None])."""
    reader = Reader(stub)
    orpcthat(reader)
    codes = [reader.u32() for _ in range(reader.u32())]
    pointers = interface_pointers(reader, len(codes))
    code = reader.u32()
    reader.done()
    return code, codes, pointers


def interface_references(references: list[tuple[bytes, int, int]]) -> bytes:
    body = struct.pack("<HxxL", len(references), len(references))
    return body + b"".join(ipid + struct.pack("<LL", public, private) for ipid, public, private in references)


def rem_add_ref(references: list[tuple[bytes, int, int]]):
    return 4, orpcthis() + interface_references(references)


def rem_add_ref_answer(stub: bytes):
    reader = Reader(stub)
    orpcthat(reader)
    results = [reader.u32() for _ in range(reader.u32())]
    code = reader.u32()
    reader.done()
    return code, results


def rem_release(references: list[tuple[bytes, int, int]]):
    return 5, orpcthis() + interface_references(references)


def rem_release_answer(stub: bytes) -> int:
    reader = Reader(stub)
    orpcthat(reader)
    code = reader.u32()
    reader.done()
    return code


# IObjectExporter


def complex_ping(set_id: int, sequence: int, add: list[int] = (), remove: list[int] = ()):
    body = struct.pack("<QHHH", set_id, sequence, len(add), len(remove))
    for oids in (add, remove):
        body += bytes(-len(body) % 4) + struct.pack("<L", 0x20000 if oids else 0)
        if oids:
            body += struct.pack("<L", len(oids))
            body += bytes(-len(body) % 8) + b"".join(struct.pack("<Q", oid) for oid in oids)
    return 2, body


def complex_ping_answer(stub: bytes) -> tuple[int, int, int]:
    """(set, back-off factor, return value)."""
    return struct.unpack("<QHxxL", stub)


def simple_ping(set_id: int):
    return 1, struct.pack("<Q", set_id)


def simple_ping_answer(stub: bytes) -> int:
    return struct.unpack("<L", stub)[0]


def resolve_oxid(opnum: int, oxid: int, protocols: list[int] = (7,)):
    return opnum, struct.pack(f"<QHxxL{len(protocols)}H", oxid, len(protocols), len(protocols), *protocols)


def resolve_oxid_answer(opnum: int, stub: bytes):
    """(return value, string bindings, the remote unknown, the hint, the version)."""
    reader = Reader(stub)
    strings = read_dual_strings(reader)[0] if reader.u32() else []
    ipid, hint = reader.guid(), reader.u32()
    version = (reader.u16(), reader.u16()) if opnum == 4 else None
    code = reader.u32()
    reader.done()
    return code, strings, ipid, hint, version


def server_alive2_answer(stub: bytes):
    """(return value, version, string bindings, security providers)."""
    reader = Reader(stub)
    version = (reader.u16(), reader.u16())
    strings, security = read_dual_strings(reader) if reader.u32() else ([], [])
    reserved, code = reader.u32(), reader.u32()
    reader.done()
    assert reserved == 0
    return code, version, strings, security


# IActivation


def remote_activation(
    clsid: bytes, iids: list[bytes], this: bytes | None = None, name: str | None = None, storage: bytes | None = None,
    mode: int = 0, protocols: list[int] = (7,),
):
    body = (this or orpcthis()) + clsid
    body += struct.pack("<L", 0x20000 if name is not None else 0)
    if name is not None:
        units = name.encode("utf-16-le") + b"\0\0"
        body += struct.pack("<LLL", len(units) // 2, 0, len(units) // 2) + units
    body += bytes(-len(body) % 4) + struct.pack("<L", 0x20004 if storage is not None else 0)
    if storage is not None:
        body += interface_pointer(storage)
    body += struct.pack("<LLLLL", 2, mode, len(iids), 0x20008, len(iids)) + b"".join(iids)
    return 0, body + struct.pack(f"<HxxL{len(protocols)}H", len(protocols), len(protocols), *protocols)


class Activation:
    """RemoteActivation's answer (3.1.2.5.2.3.1)."""

    def __init__(self, stub: bytes):
        reader = Reader(stub)
        self.extensions = orpcthat(reader)
        self.oxid = reader.u64()
        self.strings = read_dual_strings(reader)[0] if reader.u32() else []
        self.remote_unknown, self.hint = reader.guid(), reader.u32()
        self.version = (reader.u16(), reader.u16())
        self.hresult = reader.u32()
        reader.align(4)
        count = int.from_bytes(stub[reader.position : reader.position + 4], "little")
        self.pointers = interface_pointers(reader, count)
        self.results = [reader.u32() for _ in range(reader.u32())]
        self.code = reader.u32()
        reader.done()
