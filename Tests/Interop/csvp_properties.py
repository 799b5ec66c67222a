"""What disks say of themselves, for impacket: DISK_PROPS_EX, unique identifiers and DSMs, written from [MS-CSVP].

Like csvp.py, a second opinion: nothing here comes from the project's own IDL files or code.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from csvp import BYTE_ARRAY, BYTE_CV_ARRAY, CPREP_DISKID, CPREP_SCSI_ADDRESS, WCHAR_260, DiskID, IID_IClusterStorage3
from impacket.dcerpc.v5.dcomrt import DCOMANSWER, DCOMCALL
from impacket.dcerpc.v5.dtypes import GUID, LPWSTR, ULONG, USHORT
from impacket.dcerpc.v5.ndr import NDRPOINTER, NDRSTRUCT

# Flags of DISK_PROPS, 2.2.5
DISK_CLUSTERNOSUPP = 0x00000040
DISK_BUSNOSUPP = 0x00000100
DISK_STYLE_MBR = 0x00001000
DISK_STYLE_GPT = 0x00002000
DISK_STYLE_RAW = 0x00004000
DISK_PART_BASIC = 0x00008000
DISK_NO_PAGE83 = 0x04000000

BusTypeiScsi = 0x9
BusTypeFileBackedVirtual = 0xF

ERROR_NOT_SUPPORTED = 0x80070032
ERROR_INSUFFICIENT_BUFFER = 0x8007007A
ERROR_MORE_DATA = 0x800700EA


class DISK_PROPS_EX(NDRSTRUCT):
    """2.2.6"""

    structure = (
        ("DiskNumber", ULONG),
        ("DiskId", CPREP_DISKID),
        ("DiskBusType", ULONG),
        ("StackType", USHORT),
        ("ScsiAddress", CPREP_SCSI_ADDRESS),
        ("DiskIsClusterable", ULONG),
        ("AdapterDesc", WCHAR_260),
        ("pwszFriendlyName", LPWSTR),
        ("NumPaths", ULONG),
        ("Flags", ULONG),
        ("ExtendedFlags", ULONG),
        ("pwszPoolName", LPWSTR),
        ("pwszPage83Id", LPWSTR),
        ("pwszSerialNumber", LPWSTR),
        ("guidPoolId", GUID),
    )


class PBYTE_ARRAY(NDRPOINTER):
    referent = (("Data", BYTE_ARRAY),)


_DISK = ("DiskId", CPREP_DISKID)


class CprepDiskGetUniqueIds(DCOMCALL):
    opnum = 22
    structure = (_DISK, ("cbData", ULONG))


class CprepDiskGetUniqueIdsResponse(DCOMANSWER):
    structure = (("pbData", BYTE_CV_ARRAY), ("pcbDataOut", ULONG), ("pcbNeeded", ULONG), ("ErrorCode", ULONG))


class CprepDiskGetDsms(DCOMCALL):
    opnum = 38
    structure = (("Size", ULONG),)


class CprepDiskGetDsmsResponse(DCOMANSWER):
    structure = (("pReserved", ULONG), ("RegisteredDsms", BYTE_CV_ARRAY), ("ErrorCode", ULONG))


class CprepDiskGetUniqueIds3(DCOMCALL):
    opnum = 3
    structure = (_DISK,)


class CprepDiskGetUniqueIds3Response(DCOMANSWER):
    structure = (
        ("ppbDeviceIdHeader", PBYTE_ARRAY),
        ("pcbDihSize", ULONG),
        ("ppDeviceDescriptor", PBYTE_ARRAY),
        ("pcbDdSize", ULONG),
        ("ErrorCode", ULONG),
    )


class CprepDiskGetProps3(DCOMCALL):
    opnum = 9
    structure = (_DISK,)


class CprepDiskGetProps3Response(DCOMANSWER):
    structure = (("pDiskProps", DISK_PROPS_EX), ("ErrorCode", ULONG))


def octets(array) -> bytes:
    return b"".join(array)


class Properties:
    """The methods above, on both faces of the object behind a csvp.Storage."""

    def __init__(self, storage):
        self.storage2 = storage.proxy
        self.storage3 = storage.proxy.object.query(IID_IClusterStorage3)

    @staticmethod
    def _call(proxy, request, disk: DiskID | None, **fields):
        if disk is not None:
            request["DiskId"] = disk.structure()
        for name, value in fields.items():
            request[name] = value
        response = proxy.call(request)
        return response["ErrorCode"], response

    def unique_ids(self, disk: DiskID, size: int):
        """HRESULT, the octets, and how many are needed."""
        code, answer = self._call(self.storage2, CprepDiskGetUniqueIds(), disk, cbData=size)
        data = octets(answer["pbData"])
        assert len(data) == answer["pcbDataOut"]
        return code, data, answer["pcbNeeded"]

    def unique_ids3(self, disk: DiskID):
        """HRESULT, the STORAGE_DEVICE_ID_DESCRIPTOR's and the STORAGE_DEVICE_DESCRIPTOR's octets."""
        code, answer = self._call(self.storage3, CprepDiskGetUniqueIds3(), disk)
        identifiers, device = octets(answer["ppbDeviceIdHeader"]), octets(answer["ppDeviceDescriptor"])
        assert (len(identifiers), len(device)) == (answer["pcbDihSize"], answer["pcbDdSize"])
        return code, identifiers, device

    def props3(self, disk: DiskID):
        code, answer = self._call(self.storage3, CprepDiskGetProps3(), disk)
        return code, answer["pDiskProps"]

    def dsms(self, size: int):
        code, answer = self._call(self.storage2, CprepDiskGetDsms(), None, Size=size)
        data = octets(answer["RegisteredDsms"])
        assert len(data) == answer["pReserved"]
        return code, data


@dataclass(frozen=True)
class Identifier:
    """STORAGE_IDENTIFIER, 2.2.10."""

    code_set: int
    type: int
    association: int
    value: bytes


def identifiers(data: bytes) -> list[Identifier]:
    """STORAGE_DEVICE_ID_DESCRIPTOR, 2.2.9, checked on the way."""
    version, size, count = struct.unpack_from("<III", data)
    assert (version, size) == (13, len(data))
    found, offset = [], 12
    for index in range(count):
        code_set, kind, length, following, association = struct.unpack_from("<IIHHI", data, offset)
        assert offset % 4 == 0
        assert offset + 16 + length <= len(data)
        found.append(Identifier(code_set, kind, association, data[offset + 16 : offset + 16 + length]))
        assert (following == 0) == (index == count - 1)
        offset += following
    return found


def device(data: bytes) -> dict:
    """STORAGE_DEVICE_DESCRIPTOR, 2.2.27."""
    version, size, kind, reserved, removable, queueing, *offsets, bus, raw = struct.unpack_from("<IIBBBBIIIIII", data)
    assert (version, size, reserved) == (37, len(data), 0)

    def text(offset: int) -> str | None:
        return data[offset : data.index(0, offset)].decode("ascii") if offset else None

    names = ("vendor", "product", "revision", "serial")
    return dict(zip(names, map(text, offsets))) | {
        "type": kind,
        "removable": removable,
        "queueing": queueing,
        "bus": bus,
        "raw": data[36 : 36 + raw],
    }


def modules(data: bytes) -> list[tuple[str, tuple[int, ...]]]:
    """REGISTERED_DSMS, 2.2.8."""
    (count,) = struct.unpack_from("<I", data)
    assert len(data) == 4 + 144 * count
    found = []
    for index in range(count):
        name, *version = struct.unpack_from("<128sIIII", data, 4 + 144 * index)
        found.append((name.decode("utf-16-le").partition("\0")[0], tuple(version)))
    return found
