"""[MS-CSVP] for impacket: every method that the tests call, written from the specification's IDL.

Nothing here comes from the project's own IDL files or code: it is the second opinion the tests need. Structures are named
as in the specification, and each request class carries its opnum.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from dcom import new_orpcthis
from impacket.dcerpc.v5.dcomrt import DCOMANSWER, DCOMCALL
from impacket.dcerpc.v5.dtypes import BOOLEAN, GUID, ULONG, ULONGLONG, USHORT, WSTR
from impacket.dcerpc.v5.ndr import (
    NDRPOINTER,
    NDRSTRUCT,
    NDRUNION,
    NDRUniConformantArray,
    NDRUniConformantVaryingArray,
    NDRUniFixedArray,
)
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.uuid import string_to_bin, uuidtup_to_bin


def iid(text: str) -> bytes:
    """The abstract syntax of a COM interface: its UUID, version 0.0."""
    return uuidtup_to_bin((text, "0.0"))


# [MS-CSVP] 1.9
IID_IClusterStorage2 = iid("12108A88-6858-4467-B92F-E6CF4568DFB6")
IID_IClusterStorage3 = iid("11942D87-A1DE-4E7F-83FB-A840D9C5928D")
IID_IClusterSetup = iid("491260B5-05C9-40D9-B7F2-1F7BDAE0927F")
CLSID_ClusterStorage2 = string_to_bin("C72B09DB-4D53-4F41-8DCC-2D752AB56F7C")
CLSID_ClusterSetup = string_to_bin("04D55210-B6AC-4248-9E69-2A569D1D2AB6")

S_OK = 0x00000000
E_NOTIMPL = 0x80004001
E_NOINTERFACE = 0x80004002
E_ACCESSDENIED = 0x80070005
REGDB_E_CLASSNOTREG = 0x80040154
ERROR_FILE_NOT_FOUND = 0x80070002
ERROR_NOT_READY = 0x80070015
ERROR_WRITE_FAULT = 0x8007001D
ERROR_READ_FAULT = 0x8007001E
ERROR_WRONG_DISK = 0x80070022
ERROR_INVALID_PARAMETER = 0x80070057
ERROR_DISK_FULL = 0x80070070
ERROR_BUSY = 0x800700AA
ERROR_UNRECOGNIZED_VOLUME = 0x800703ED
ERROR_NOT_FOUND = 0x80070490
ERROR_INVALID_SERVER_STATE = 0x80070548
ERROR_DUPLICATE_TAG = 0x800707DE
ERROR_INVALID_STATE = 0x8007139F

# CPREP_DISKID_ENUM, 2.2.1
CprepIdSignature = 0x0000
CprepIdGuid = 0x0001
CprepIdNumber = 0x0FA0
CprepIdUnknown = 0x1388


class DCERPCSessionError(DCERPCException):
    """What impacket raises for a non-zero return value, found by its name in the request's module."""

    def __str__(self):
        return f"HRESULT 0x{self.error_code:08x}"


class BYTE_ARRAY(NDRUniConformantArray):
    item = "c"


class BYTE_CV_ARRAY(NDRUniConformantVaryingArray):
    item = "c"


class USHORT_ARRAY(NDRUniConformantArray):
    item = "<H"


class FLAGGED_WORD_BLOB(NDRSTRUCT):
    """[MS-OAUT] 2.2.23.1. impacket's own takes text only; a BSTR is not always text, nor always whole words."""

    structure = (("cBytes", ULONG), ("clSize", ULONG), ("asData", USHORT_ARRAY))


class BSTR(NDRPOINTER):
    referent = (("Data", FLAGGED_WORD_BLOB),)


class DISKID_UNION(NDRUNION):
    notAlign = True  # NDR 2.0 aligns the discriminant and the arm, not the union
    commonHdr = (("tag", USHORT),)
    union = {
        CprepIdSignature: ("DiskSignature", ULONG),
        CprepIdGuid: ("DiskGuid", GUID),
        CprepIdNumber: ("DeviceNumber", ULONG),
        CprepIdUnknown: ("Junk", ULONG),
    }


class CPREP_DISKID(NDRSTRUCT):
    structure = (("DiskIdType", USHORT), ("DiskId", DISKID_UNION))

    def getAlignment(self):
        return 4


class CPREP_SCSI_ADDRESS(NDRSTRUCT):
    structure = (("Length", ULONG), ("PortNumber", "B=0"), ("PathId", "B=0"), ("TargetId", "B=0"), ("Lun", "B=0"))


class WCHAR_260(NDRUniFixedArray):
    def getDataLen(self, data, offset=0):
        return 260 * 2


class WCHAR_100(NDRUniFixedArray):
    def getDataLen(self, data, offset=0):
        return 100 * 2


class DISK_PROPS(NDRSTRUCT):
    structure = (
        ("DiskNumber", ULONG),
        ("DiskId", CPREP_DISKID),
        ("DiskBusType", ULONG),
        ("StackType", USHORT),
        ("ScsiAddress", CPREP_SCSI_ADDRESS),
        ("DiskIsClusterable", ULONG),
        ("AdapterDesc", WCHAR_260),
        ("NumPaths", ULONG),
        ("Flags", ULONG),
    )


def _method(name: str, opnum: int, request=(), response=()):
    """A request class and its response class, as impacket pairs them: by name, in one module."""
    globals()[name] = type(name, (DCOMCALL,), {"opnum": opnum, "structure": tuple(request), "__module__": __name__})
    globals()[name + "Response"] = type(
        name + "Response",
        (DCOMANSWER,),
        {"structure": tuple(response) + (("ErrorCode", ULONG),), "__module__": __name__},
    )


_DISK = ("DiskId", CPREP_DISKID)

# IClusterStorage2, 3.2.4
_method(
    "CprepDiskRawRead",
    3,
    [_DISK, ("ulSector", ULONG), ("cbData", ULONG)],
    [("pbData", BYTE_CV_ARRAY), ("pcbDataRead", ULONG), ("ulLatency", ULONG)],
)
_method(
    "CprepDiskRawWrite",
    4,
    [_DISK, ("ulSector", ULONG), ("cbData", ULONG), ("pbData", BYTE_ARRAY)],
    [("pcbDataWritten", ULONG), ("ulLatency", ULONG)],
)
_method(
    "CprepPrepareNode",
    5,
    [],
    [("pulMajorVersion", ULONG), ("pulMinorVersion", ULONG), ("pdwCPrepVersion", ULONG)],
)
_method("CprepPrepareNodePhase2", 6, [("Flags", ULONG)], [("pulNumDisks", ULONG)])
_method("CprepDiskGetProps", 7, [_DISK], [("DiskProps", DISK_PROPS)])
_method("CprepDiskStopDefense", 12, [_DISK])
_method("CprepDiskOnline", 13, [_DISK], [("MaxPartitionNumber", ULONG)])
_method("CprepDiskVerifyUnique", 14, [_DISK])
_FILE = [_DISK, ("ulPartition", ULONG), ("FileName", WSTR)]
_FILE_DATA = _FILE + [("cbDataIn", ULONG), ("DataIn", BYTE_ARRAY)]
_method("CprepDiskWriteFileData", 17, _FILE_DATA)
_method("CprepDiskVerifyFileData", 18, _FILE_DATA)
_method("CprepDiskDeleteFile", 19, _FILE)
_method("CprepDiskOffline", 20, [_DISK])
_method(
    "CprepDiskGetUniqueIds",
    22,
    [_DISK, ("cbData", ULONG)],
    [("pbData", BYTE_CV_ARRAY), ("pcbDataOut", ULONG), ("pcbNeeded", ULONG)],
)
_method("CprepDiskAttach", 23, [_DISK])
_method("CprepDiskPRArbitrate", 24, [_DISK])
_method("CprepDiskPRRegister", 25, [_DISK])
_method("CprepDiskPRUnRegister", 26, [_DISK])
_method("CprepDiskPRReserve", 27, [_DISK])
_method("CprepDiskPRRelease", 28, [_DISK])
_method("CprepDiskDiskPartitionIsNtfs", 29, [_DISK, ("ulPartition", ULONG)])
_method("CprepDiskGetArbSectors", 30, [_DISK], [("SectorX", ULONG), ("SectorY", ULONG)])
_method("CprepDiskIsPRPresent", 31, [_DISK], [("Present", ULONG)])
_method("CprepDiskPRPreempt", 32, [_DISK])
_method("CprepDiskPRClear", 33, [_DISK])
_method("CprepDiskIsOnline", 34, [_DISK])
_method("CprepDiskSetOnline", 35, [_DISK])
_method("CprepDiskGetFSName", 36, [_DISK, ("Partition", ULONG)], [("FsName", WCHAR_100)])
_method("CprepDiskIsReadable", 37, [_DISK])
_method(
    "CprepDiskGetDsms", 38, [("Size", ULONG)], [("pReserved", ULONG), ("RegisteredDsms", BYTE_CV_ARRAY)]
)

#: "This method is not called", 3.2.4; the IDL gives them no parameters.
NOT_USED_ON_WIRE = [8, 9, 10, 11, 15, 16, 21]
for _opnum in NOT_USED_ON_WIRE:
    _method(f"Opnum{_opnum}NotUsedOnWire", _opnum)

# IClusterStorage3, 3.4.4: reservations, and the node. The rest is in csvp_properties.py and test_shares.py.
_method("CprepIsNodeClustered3", 6, [], [("pbIsClusterNode", BOOLEAN)])
_method("CprepDiskIsReadOnly3", 10, [_DISK], [("pbReadOnly", BOOLEAN)])
_KEY = [_DISK, ("Key", ULONGLONG)]
_method("CprepDiskPRRegister3", 11, [_DISK, ("OldPrKey", ULONGLONG), ("NewPrKey", ULONGLONG)])
_method("CprepDiskFindKey3", 12, _KEY, [("pbFound", BOOLEAN)])
_method("CprepDiskPRPreempt3", 13, [_DISK, ("OwnerKey", ULONGLONG), ("NewKey", ULONGLONG)])
_method("CprepDiskPRReserve3", 14, _KEY)
_method("CprepDiskIsPRPresent3", 15, _KEY)
_method("CprepDiskPRRelease3", 16, _KEY)
_method("CprepDiskPRClear3", 17, _KEY)

# IClusterSetup, 3.10.4
_method("ConfigSvcSecret", 3, [("SecretBLOB", BSTR)])
_method("RetrieveSvcSecret", 4, [], [("SecretBLOB", BSTR)])
_method("RetrieveHostLabel", 5, [], [("HostLabel", BSTR)])
_method("GetFunctionalLevel", 6, [], [("FunctionalLevel", USHORT)])


@dataclass(frozen=True)
class DiskID:
    """A CPREP_DISKID as the tests speak of it: what kind, and the value (an integer, or a uuid.UUID for a GUID)."""

    kind: int
    value: int | uuid.UUID

    @staticmethod
    def of(disk: dict) -> DiskID:
        """From the lab's description of a disk: a GPT disk goes by its GUID, an MBR disk by its signature."""
        if disk["style"].lower() == "gpt":
            return DiskID(CprepIdGuid, uuid.UUID(disk["id"]))
        value = disk["id"]
        return DiskID(CprepIdSignature, value if isinstance(value, int) else int(value, 16))

    def structure(self) -> CPREP_DISKID:
        result = CPREP_DISKID()
        result["DiskIdType"] = self.kind
        result["DiskId"]["tag"] = self.kind
        if self.kind == CprepIdGuid:
            result["DiskId"]["DiskGuid"] = self.value.bytes_le
        else:
            arm = {CprepIdSignature: "DiskSignature", CprepIdNumber: "DeviceNumber", CprepIdUnknown: "Junk"}
            result["DiskId"][arm[self.kind]] = self.value
        return result

    @staticmethod
    def read(structure: CPREP_DISKID) -> DiskID:
        kind = structure["DiskIdType"]
        if structure["DiskId"]["tag"] != kind:
            raise AssertionError("DiskIdType and the union's discriminant differ")
        if kind == CprepIdGuid:
            return DiskID(kind, uuid.UUID(bytes_le=structure["DiskId"]["DiskGuid"]))
        arm = {CprepIdSignature: "DiskSignature", CprepIdNumber: "DeviceNumber", CprepIdUnknown: "Junk"}
        return DiskID(kind, structure["DiskId"][arm[kind]])


#: The octet count that marks a NULL BSTR, [MS-OAUT] 2.2.23.1.
NULL_BSTR = 0xFFFFFFFF


def bstr_octets(pointer) -> bytes | None:
    """The octets of a received BSTR; None for a NULL one, as a count of 0xFFFFFFFF or as a null pointer."""
    if pointer.fields["ReferentID"] == 0:
        return None
    blob = pointer.fields["Data"]
    if blob["cBytes"] == NULL_BSTR:
        return None
    words = b"".join(word.to_bytes(2, "little") for word in blob["asData"])
    return words[: blob["cBytes"]]


def put_bstr(request, field: str, octets: bytes | None) -> None:
    """Sets a BSTR parameter to these octets; None is a NULL BSTR."""
    if octets is None:
        request[field]["cBytes"] = NULL_BSTR
        request[field]["clSize"] = 0
        request[field]["asData"] = []
        return
    padded = octets + b"\0" * (len(octets) % 2)
    words = [int.from_bytes(padded[at : at + 2], "little") for at in range(0, len(padded), 2)]
    request[field]["cBytes"] = len(octets)
    request[field]["clSize"] = len(words)
    request[field]["asData"] = words


def wide_text(octets: bytes) -> str:
    """The text of a fixed array of wide characters, up to its terminator."""
    return octets.decode("utf-16-le").partition("\0")[0]


class Storage:
    """IClusterStorage2 of one activated object. Each method returns (HRESULT, response)."""

    def __init__(self, proxy):
        self.proxy = proxy

    def call(self, name: str, disk: DiskID | None = None, **fields):
        request = globals()[name]()
        if disk is not None:
            request["DiskId"] = disk.structure()
        for key, value in fields.items():
            request[key] = value
        response = self.proxy.call(request)
        return response["ErrorCode"], response

    # Preparation
    def prepare(self):
        return self.call("CprepPrepareNode")

    def phase2(self, flags: int = 0):
        return self.call("CprepPrepareNodePhase2", Flags=flags)

    def ready(self) -> int:
        """Both steps of preparation; the number of disks."""
        code, _ = self.prepare()
        assert code == S_OK, f"CprepPrepareNode: 0x{code:08x}"
        code, answer = self.phase2()
        assert code == S_OK, f"CprepPrepareNodePhase2: 0x{code:08x}"
        return answer["pulNumDisks"]

    def take(self, disk: DiskID) -> None:
        """Attaches, arbitrates and brings online, each of which must succeed."""
        for name in ("CprepDiskAttach", "CprepDiskPRArbitrate", "CprepDiskOnline"):
            code, _ = self.call(name, disk)
            assert code == S_OK, f"{name}: 0x{code:08x}"

    # Disks
    def props(self, disk: DiskID):
        code, answer = self.call("CprepDiskGetProps", disk)
        return code, answer["DiskProps"]

    def raw_read(self, disk: DiskID, sector: int, size: int = 512):
        code, answer = self.call("CprepDiskRawRead", disk, ulSector=sector, cbData=size)
        return code, b"".join(answer["pbData"])

    def raw_write(self, disk: DiskID, sector: int, data: bytes):
        code, answer = self.call(
            "CprepDiskRawWrite", disk, ulSector=sector, cbData=len(data), pbData=list(data)
        )
        return code, answer["pcbDataWritten"]

    def arb_sectors(self, disk: DiskID):
        code, answer = self.call("CprepDiskGetArbSectors", disk)
        return code, (answer["SectorX"], answer["SectorY"])

    # Reservations
    def presence(self, disk: DiskID):
        """HRESULT, and whether a reservation is there: 0 no, 1 another node's, 2 this node's."""
        code, answer = self.call("CprepDiskIsPRPresent", disk)
        return code, answer["Present"]

    def codes(self, disk: DiskID, *names: str) -> list[int]:
        """The HRESULTs of methods that take nothing but a disk, in this order; "CprepDisk" may be left out."""
        return [self.call(name if name.startswith("Cprep") else "CprepDisk" + name, disk)[0] for name in names]

    def online(self, disk: DiskID):
        code, answer = self.call("CprepDiskOnline", disk)
        return code, answer["MaxPartitionNumber"]

    # Files
    def _large(self, request, disk: DiskID, partition: int, name: str, data: bytes, **how) -> int | None:
        """A call with a file's content, for megabytes: impacket marshals arrays octet by octet."""
        request["ORPCthis"] = new_orpcthis()
        request["DiskId"] = disk.structure()
        request["ulPartition"] = partition
        request["FileName"] = name + "\0"
        request["cbDataIn"] = len(data)
        request["DataIn"] = []
        stub = request.getData()[:-4] + struct.pack("<L", len(data)) + data
        association = self.proxy.object.association
        bound = association.bind(self.proxy.syntax)
        answer = association.request_large(bound, request.opnum, stub, self.proxy.ipid, **how)
        return struct.unpack("<L", answer[-4:])[0] if answer else None

    def write_large_file(self, disk: DiskID, partition: int, name: str, data: bytes, **how) -> int:
        return self._large(CprepDiskWriteFileData(), disk, partition, name, data, **how)  # noqa: F821

    def begin_large_file(self, disk: DiskID, partition: int, name: str, data: bytes, announced: int):
        """Sends the first fragment of a file's content, and leaves it at that."""
        self._large(CprepDiskWriteFileData(), disk, partition, name, data, announced=announced, begin_only=True)  # noqa: F821

    def verify_large_file(self, disk: DiskID, partition: int, name: str, data: bytes) -> int:
        return self._large(CprepDiskVerifyFileData(), disk, partition, name, data)  # noqa: F821

    def write_file(self, disk: DiskID, partition: int, name: str, data: bytes):
        return self.call(
            "CprepDiskWriteFileData",
            disk,
            ulPartition=partition,
            FileName=name + "\0",
            cbDataIn=len(data),
            DataIn=list(data),
        )[0]

    def verify_file(self, disk: DiskID, partition: int, name: str, data: bytes):
        return self.call(
            "CprepDiskVerifyFileData",
            disk,
            ulPartition=partition,
            FileName=name + "\0",
            cbDataIn=len(data),
            DataIn=list(data),
        )[0]

    def delete_file(self, disk: DiskID, partition: int, name: str):
        return self.call("CprepDiskDeleteFile", disk, ulPartition=partition, FileName=name + "\0")[0]

    def fs_name(self, disk: DiskID, partition: int):
        code, answer = self.call("CprepDiskGetFSName", disk, Partition=partition)
        return code, wide_text(answer["FsName"])

    def is_ntfs(self, disk: DiskID, partition: int):
        return self.call("CprepDiskDiskPartitionIsNtfs", disk, ulPartition=partition)[0]


class Storage3(Storage):
    """IClusterStorage3 of the object behind a Storage."""

    def __init__(self, storage: Storage):
        super().__init__(storage.proxy.object.query(IID_IClusterStorage3))

    def register(self, disk: DiskID, old: int, new: int) -> int:
        return self.call("CprepDiskPRRegister3", disk, OldPrKey=old, NewPrKey=new)[0]

    def reserve(self, disk: DiskID, key: int) -> int:
        return self.call("CprepDiskPRReserve3", disk, Key=key)[0]

    def release(self, disk: DiskID, key: int) -> int:
        return self.call("CprepDiskPRRelease3", disk, Key=key)[0]

    def preempt(self, disk: DiskID, owner: int, key: int) -> int:
        return self.call("CprepDiskPRPreempt3", disk, OwnerKey=owner, NewKey=key)[0]

    def clear(self, disk: DiskID, key: int) -> int:
        return self.call("CprepDiskPRClear3", disk, Key=key)[0]

    def is_reserved(self, disk: DiskID, key: int) -> int:
        return self.call("CprepDiskIsPRPresent3", disk, Key=key)[0]

    def finds(self, disk: DiskID, key: int):
        code, answer = self.call("CprepDiskFindKey3", disk, Key=key)
        return code, bool(answer["pbFound"])

    def is_read_only(self, disk: DiskID):
        code, answer = self.call("CprepDiskIsReadOnly3", disk)
        return code, bool(answer["pbReadOnly"])

    def is_clustered(self):
        code, answer = self.call("CprepIsNodeClustered3")
        return code, bool(answer["pbIsClusterNode"])


class Setup:
    """IClusterSetup of one activated object."""

    def __init__(self, proxy):
        self.proxy = proxy

    def config_secret(self, secret: bytes | None) -> int:
        request = ConfigSvcSecret()  # noqa: F821
        put_bstr(request, "SecretBLOB", secret)
        return self.proxy.call(request)["ErrorCode"]

    def retrieve_secret(self) -> tuple[int, bytes | None]:
        response = self.proxy.call(RetrieveSvcSecret())  # noqa: F821
        return response["ErrorCode"], bstr_octets(response.fields["SecretBLOB"])

    def host_label(self) -> tuple[int, bytes | None]:
        response = self.proxy.call(RetrieveHostLabel())  # noqa: F821
        return response["ErrorCode"], bstr_octets(response.fields["HostLabel"])
