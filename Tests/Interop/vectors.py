"""Writes Fixtures/impacket/vectors.json: stubs as impacket marshals them, for the decoders' tests.

    python vectors.py            writes the file
    python vectors.py --check    fails if the file is not what this program would write

impacket fills padding with octets of its own choosing, which a decoder has to ignore; referent identifiers, which it takes
at random, are counted here so that the file comes out the same each time.
"""

from __future__ import annotations

import itertools
import json
import sys
import uuid
from pathlib import Path

import csvp
from impacket.dcerpc.v5 import dcomrt, epm, mgmt, ndr
from impacket.dcerpc.v5.dcomrt import ORPCTHIS
from impacket.dcerpc.v5.dtypes import NULL
from lab import REPOSITORY

FILE = REPOSITORY / "Fixtures" / "impacket" / "vectors.json"
GUID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
DISKS = {
    "signature": csvp.DiskID(csvp.CprepIdSignature, 0x12345678),
    "guid": csvp.DiskID(csvp.CprepIdGuid, GUID),
    "number": csvp.DiskID(csvp.CprepIdNumber, 1),
}


def orpcthis() -> ORPCTHIS:
    this = ORPCTHIS()
    this["cid"] = GUID.bytes_le
    this["extensions"] = NULL
    this["flags"] = 0
    return this


def request(name, disk=None, **fields) -> bytes:
    call = getattr(csvp, name)()
    call["ORPCthis"] = orpcthis()
    if disk is not None:
        call["DiskId"] = disk.structure()
    for key, value in fields.items():
        call[key] = value
    return call.getData()


def response(name, code=0, **fields) -> bytes:
    answer = getattr(csvp, name + "Response")()
    answer["ORPCthat"]["flags"] = 0
    answer["ORPCthat"]["extensions"] = NULL
    for key, value in fields.items():
        answer[key] = value
    answer["ErrorCode"] = code
    return answer.getData()


def storage():
    for kind, disk in DISKS.items():
        yield f"IClusterStorage2.CprepDiskAttach.request.{kind}", request("CprepDiskAttach", disk)
    yield (
        "IClusterStorage2.CprepDiskRawRead.request",
        request("CprepDiskRawRead", DISKS["signature"], ulSector=34, cbData=5),
    )
    yield (
        "IClusterStorage2.CprepDiskRawRead.response",
        response("CprepDiskRawRead", pbData=list(b"hello"), pcbDataRead=5, ulLatency=2),
    )
    yield (
        "IClusterStorage2.CprepDiskRawWrite.request",
        request("CprepDiskRawWrite", DISKS["guid"], ulSector=35, cbData=5, pbData=list(b"hello")),
    )
    yield (
        "IClusterStorage2.CprepDiskWriteFileData.request",
        request(
            "CprepDiskWriteFileData",
            DISKS["number"],
            ulPartition=1,
            FileName="größe.bin\0",
            cbDataIn=3,
            DataIn=list(b"abc"),
        ),
    )
    answer = csvp.CprepDiskGetPropsResponse()
    answer["ORPCthat"]["flags"] = 0
    answer["ORPCthat"]["extensions"] = NULL
    props = answer["DiskProps"]
    props["DiskNumber"] = 1
    props["DiskId"] = DISKS["guid"].structure()
    props["DiskBusType"] = 9
    props["StackType"] = 1
    props["ScsiAddress"]["Length"] = 8
    props["ScsiAddress"]["PortNumber"] = 1
    props["ScsiAddress"]["PathId"] = 2
    props["ScsiAddress"]["TargetId"] = 3
    props["ScsiAddress"]["Lun"] = 4
    props["DiskIsClusterable"] = 1
    props["AdapterDesc"] = "An adapter".encode("utf-16-le").ljust(520, b"\0")
    props["NumPaths"] = 2
    props["Flags"] = 3
    answer["ErrorCode"] = 0
    yield "IClusterStorage2.CprepDiskGetProps.response", answer.getData()
    yield (
        "IClusterStorage2.CprepDiskGetFSName.response",
        response("CprepDiskGetFSName", FsName="NTFS".encode("utf-16-le").ljust(200, b"\0")),
    )


def setup():
    for name, octets in {"null": None, "empty": b"", "odd": b"abc", "text": "node1".encode("utf-16-le")}.items():
        call = csvp.ConfigSvcSecret()
        call["ORPCthis"] = orpcthis()
        csvp.put_bstr(call, "SecretBLOB", octets)
        yield f"IClusterSetup.ConfigSvcSecret.request.{name}", call.getData()


def dcom():
    call = dcomrt.RemQueryInterface()
    call["ORPCthis"] = orpcthis()
    call["ripid"] = GUID.bytes_le
    call["cRefs"] = 5
    call["cIids"] = 1
    wanted = dcomrt.IID()
    wanted["Data"] = csvp.IID_IClusterSetup[:16]
    call["iids"].append(wanted)
    yield "IRemUnknown.RemQueryInterface.request", call.getData()

    call = dcomrt.ComplexPing()
    call["pSetId"] = 0
    call["SequenceNum"] = 1
    call["cAddToSet"] = 2
    call["cDelFromSet"] = 0
    for oid in (0x1122334455667788, 2):
        element = dcomrt.OID()
        element["Data"] = oid
        call["AddToSet"].append(element)
    call["DelFromSet"] = NULL
    yield "IObjectExporter.ComplexPing.request", call.getData()

    class Recorder:
        """Stands in for a connection and keeps what would have been sent."""

        def bind(self, *_):
            pass

        def request(self, call, *_):
            self.sent = call.getData()
            raise StopIteration

    for way, maker, name in (
        ("IRemoteSCMActivator.RemoteCreateInstance", dcomrt.IRemoteSCMActivator, "RemoteCreateInstance"),
        ("IActivation.RemoteActivation", dcomrt.IActivation, "RemoteActivation"),
    ):
        recorder = Recorder()
        try:
            getattr(maker(recorder), name)(csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup)
        except StopIteration:
            yield f"{way}.request", recorder.sent


def endpoint_mapper():
    call = epm.ept_lookup()
    call["inquiry_type"] = epm.RPC_C_EP_ALL_ELTS
    call["object"] = NULL
    call["Ifid"] = NULL
    call["vers_option"] = epm.RPC_C_VERS_ALL
    call["max_ents"] = 499
    yield "epmapper.ept_lookup.request", call.getData()
    yield "mgmt.rpc_mgmt_inq_if_ids.request", mgmt.inq_if_ids().getData()


def vectors() -> dict[str, str]:
    count = itertools.count(0x20000, 4)
    ndr.random.randint = lambda *_: next(count)
    dcomrt.generate = lambda: GUID.bytes_le
    sections = itertools.chain(storage(), setup(), dcom(), endpoint_mapper())
    return {name: octets.hex() for name, octets in sections}


if __name__ == "__main__":
    text = json.dumps(vectors(), indent=2) + "\n"
    if "--check" in sys.argv[1:]:
        sys.exit(0 if FILE.read_text() == text else f"{FILE} is out of date: run {Path(__file__).name}")
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text)
