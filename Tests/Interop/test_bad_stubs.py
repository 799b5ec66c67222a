"""Stubs that no client of ours would send. Each is a fault, never a guess, and the node serves on ([MS-RPCE] 3.1.1.5)."""

import random
import struct
import uuid

import csvp
import pytest
from csvp import S_OK
from dcom import Fault

pytestmark = pytest.mark.usefixtures("survives")

BAD_STUB_DATA = 0x000006F7
OPERATION_RANGE = 0x1C010002

#: ORPCTHIS of version 5.7 without extensions.
ORPCTHIS = struct.pack("<HHLL", 5, 7, 0, 0) + uuid.UUID(int=1).bytes_le + b"\0\0\0\0"
NUMBER_0 = struct.pack("<HHL", 0xFA0, 0xFA0, 0)


def wide(text: str) -> bytes:
    """A conformant varying string of wide characters, with its terminator."""
    octets = (text + "\0").encode("utf-16-le")
    count = len(octets) // 2
    return struct.pack("<LLL", count, 0, count) + octets + b"\0" * (-len(octets) % 4)


@pytest.fixture
def storage(clients):
    return clients.storage(ready=True)


@pytest.fixture
def setup(clients):
    return clients.setup()


def send(client, opnum, stub, this=ORPCTHIS):
    """The response's stub; faults are raised."""
    return client.proxy.call_raw((opnum, this + stub))


def refused(client, opnum, stub, this=ORPCTHIS, status=(BAD_STUB_DATA,)):
    with pytest.raises(Fault) as caught:
        send(client, opnum, stub, this)
    assert caught.value.status in status, f"fault 0x{caught.value.status:08x}"


def test_the_helpers_are_right(storage):
    """The good twins of the stubs below are answered, so that what is refused is refused for the right reason."""
    assert send(storage, 7, NUMBER_0)[-4:] == b"\0\0\0\0"
    assert send(storage, 23, NUMBER_0)[-4:] == b"\0\0\0\0"
    assert send(storage, 3, NUMBER_0 + struct.pack("<LL", 0, 512))[-4:] == b"\0\0\0\0"


# The disk's identifier


@pytest.mark.parametrize("length", range(0, 8))
def test_a_truncated_disk_identifier(storage, length):
    refused(storage, 23, NUMBER_0[:length])


def test_discriminant_and_type_differ(storage):
    refused(storage, 23, struct.pack("<HHL", 0xFA0, 0, 0))


def test_an_unknown_discriminant(storage):
    refused(storage, 23, struct.pack("<HHL", 7, 7, 0))


def test_a_guid_that_is_too_short(storage):
    refused(storage, 23, struct.pack("<HH", 1, 1) + b"\0" * 15)


# Sizes, strings, arrays


def test_trailing_octets(storage):
    refused(storage, 23, NUMBER_0 + b"\0" * 16)


@pytest.mark.parametrize("claimed", [3, 5, 0, 0xFFFFFFFF, 0x80000000])
def test_raw_write_with_a_conformance_that_differs_from_cbdata(storage, claimed):
    refused(storage, 4, NUMBER_0 + struct.pack("<LLL", 0, 4, claimed) + b"abcd")


def test_a_write_whose_data_ends_early(storage):
    refused(storage, 17, NUMBER_0 + struct.pack("<L", 1) + wide("a") + struct.pack("<LL", 1 << 30, 1 << 30) + b"abcd")


@pytest.mark.parametrize(
    "name",
    [
        struct.pack("<LLL", 2, 0, 3) + b"a\0b\0\0\0\0\0",  # longer than its size
        struct.pack("<LLL", 2, 1, 1) + b"a\0\0\0",  # begins elsewhere than at its start
        struct.pack("<LLL", 0xFFFFFFFF, 0, 0xFFFFFFFF) + b"a\0\0\0",  # longer than the stub
        struct.pack("<LLL", 2, 0, 2) + b"a\0b\0",  # no terminator
        struct.pack("<LLL", 0, 0, 0),  # not even a terminator
        struct.pack("<LL", 2, 0),  # cut off
    ],
    ids=["length", "offset", "huge", "terminator", "empty", "cut"],
)
def test_bad_strings(storage, name):
    refused(storage, 19, NUMBER_0 + struct.pack("<L", 1) + name)


def test_bstr(setup):
    blob = lambda conformance, octets, words, data: struct.pack("<LLLL", 0x20000, conformance, octets, words) + data  # noqa: E731
    assert send(setup, 3, blob(2, 4, 2, b"a\0b\0"))[-4:] == struct.pack("<L", S_OK)
    refused(setup, 3, blob(3, 4, 2, b"a\0b\0"))
    refused(setup, 3, blob(1, 4, 2, b"a\0b\0"))
    refused(setup, 3, blob(0x7FFFFFFF, 4, 0x7FFFFFFF, b"a\0b\0"))
    refused(setup, 3, struct.pack("<L", 0x20000))
    refused(setup, 3, b"")


def test_an_octet_count_beyond_its_words(setup):
    """cBytes says 400 where two words are: refused or failed, never read beyond."""
    stub = struct.pack("<LLLL", 0x20000, 2, 400, 2) + b"a\0b\0"
    try:
        answer = send(setup, 3, stub)
    except Fault as fault:
        assert fault.status == BAD_STUB_DATA
    else:
        assert struct.unpack("<L", answer[-4:])[0] & 0x80000000


# ORPCTHIS and opnums


def test_orpcthis(storage):
    refused(storage, 5, b"", this=b"")
    refused(storage, 5, b"", this=ORPCTHIS[:20])
    refused(storage, 5, b"", this=struct.pack("<HH", 6, 0) + ORPCTHIS[4:], status=(0x80010110,))  # RPC_E_VERSION_MISMATCH
    refused(storage, 5, b"", this=struct.pack("<HH", 5, 99) + ORPCTHIS[4:], status=(0x80010110,))


@pytest.mark.parametrize("minor", [1, 4, 6, 7])
def test_orpcthis_of_an_older_version(storage, minor):
    assert send(storage, 7, NUMBER_0, struct.pack("<HH", 5, minor) + ORPCTHIS[4:])[-4:] == b"\0\0\0\0"


def test_orpcthis_with_extensions(storage):
    """One unknown extension of three octets, padded to eight: it is passed over, and the arguments behind it found."""
    extent = struct.pack("<L", 8) + uuid.UUID(int=2).bytes_le + struct.pack("<L", 3) + b"abc" + b"\0" * 5
    this = ORPCTHIS[:-4] + struct.pack("<LLLLLLL", 0x20000, 1, 0, 0x20004, 2, 0x20008, 0) + extent
    assert send(storage, 7, NUMBER_0, this)[-4:] == b"\0\0\0\0"


@pytest.mark.parametrize("opnum", [39, 1000, 65535])
def test_opnums_out_of_range(storage, opnum):
    refused(storage, opnum, b"", status=(OPERATION_RANGE,))


@pytest.mark.parametrize("opnum", [0, 1, 2])
def test_iunknown_is_not_on_the_wire(storage, opnum):
    refused(storage, opnum, b"", status=(OPERATION_RANGE,))


@pytest.mark.parametrize("opnum", [8, 9, 10, 11, 15, 16, 21])
def test_methods_not_used_on_the_wire(storage, opnum):
    """Answered with an error, or out of range; not with success."""
    try:
        assert struct.unpack("<L", send(storage, opnum, b"")[-4:])[0] & 0x80000000
    except Fault as fault:
        assert fault.status == OPERATION_RANGE


# Whatever comes


def test_mutations(clients):
    """Valid stubs with octets changed, cut or added: answered or faulted within the deadline, and the node stands."""
    random_ = random.Random(20_250_909)  # the same stubs in every run
    valid = [
        (3, NUMBER_0 + struct.pack("<LL", 0, 512)),
        (4, NUMBER_0 + struct.pack("<LLL", 0, 4, 4) + b"abcd"),
        (6, struct.pack("<L", 0)),
        (7, NUMBER_0),
        (17, NUMBER_0 + struct.pack("<L", 1) + wide("name") + struct.pack("<LL", 4, 4) + b"abcd"),
        (23, struct.pack("<HH", 1, 1) + b"\x11" * 16),
        (36, NUMBER_0 + struct.pack("<L", 1)),
    ]
    storage = clients.storage(ready=True)
    for _ in range(400):
        opnum, stub = random_.choice(valid)
        stub = bytearray(ORPCTHIS + stub)
        kind = random_.randrange(3)
        if kind == 0:
            for _ in range(random_.randint(1, 4)):
                stub[random_.randrange(len(stub))] = random_.randrange(256)
        elif kind == 1:
            del stub[random_.randrange(len(stub)) :]
        else:
            stub += random_.randbytes(random_.randint(1, 40))
        try:
            storage.proxy.call_raw((opnum, bytes(stub)))
        except Fault:
            pass
    assert storage.props(csvp.DiskID(csvp.CprepIdNumber, 0))[0] == S_OK
