"""A structure-aware fuzzer over sockets: it knows the protocol well enough to come far, and breaks it on the way.

    python live_fuzzer.py ADDRESS PORT DOMAIN USER PASSWORD [SECONDS [SEED]]

Each connection is a sequence of steps: binds, legs of NTLM, requests whose stubs are real ones that were altered, signed or
sealed before or after the alteration, in fragments that fit or do not, cancels, orphans, PDUs of any kind, octets of none,
and every way of ending a connection. Answers are read, but for those of the exchange not looked at.
"""

from __future__ import annotations

import collections
import contextlib
import random
import select
import socket
import struct
import sys
import time
import uuid

from impacket.dcerpc.v5 import dcomrt
from ntlm_wire import CONNECT, INTEGRITY, PACKET, PRIVACY, SecurityContext, token, trailer
from pdus import (
    ALTER_CONTEXT,
    AUTH3,
    BIND,
    CO_CANCEL,
    EPMAPPER,
    FIRST,
    LAST,
    MANAGEMENT,
    NDR20,
    OBJECT_EXPORTER,
    OBJECT_UUID,
    ORPHANED,
    bind,
    pdu,
    request,
)

ACTIVATOR = (uuid.UUID("000001a0-0000-0000-c000-000000000046"), 0, 0)
ACTIVATION = (uuid.UUID("4d9f4ab8-7d1c-11cf-861e-0020af6e7c57"), 0, 0)
REM_UNKNOWN = (uuid.UUID("00000131-0000-0000-c000-000000000046"), 0, 0)
REM_UNKNOWN_2 = (uuid.UUID("00000143-0000-0000-c000-000000000046"), 0, 0)
UNKNOWN = (uuid.UUID("01234567-89ab-cdef-0123-456789abcdef"), 1, 0)
NDR64 = (uuid.UUID("71710533-beba-4937-8319-b5dbef9ccc36"), 1, 0)
FEATURES = (uuid.UUID("6cb71c2c-9812-4540-0300-000000000000"), 1, 0)
ORPCTHIS = struct.pack("<HHLL", 5, 7, 0, 0) + uuid.UUID(int=1).bytes_le + bytes(4)

#: Values that are at some limit, for any field of their size.
INTERESTING = [0, 1, 2, 4, 7, 8, 15, 16, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF]
INTERESTING += [0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def recorded(make) -> bytes:
    """The stub that impacket makes for a call, without sending it."""
    found = []

    class Recorder:
        def get_credentials(self):
            return ("",) * 8

        def bind(self, *_, **__):
            pass

        def connect(self, *_, **__):
            pass

        def request(self, call, *_, **__):
            found.append(call.getData())
            raise StopIteration

        def __getattr__(self, name):
            return lambda *_, **__: Recorder()

    with contextlib.suppress(StopIteration):
        make(Recorder())
    return found[0] if found else b""


def endpoint_mapper_calls(clsid: bytes, interface: bytes) -> list[tuple]:
    """(interface, opnum, stub, object) of calls that a node answers well at its endpoint mapper's port."""
    tower = bytes.fromhex(
        "0500 1300 0d 80bda8af8a7dc911bef408002b102989 0100 0200 0000"
        "1300 0d 045d888aeb1cc9119fe808002b104860 0200 0200 0000 0100 0b 0200 0000 0100 07 0200 0087 0100 09 0400 00000000"
    )
    twr_t = struct.pack("<LL", len(tower), len(tower)) + tower + bytes(-len(tower) % 4)
    pings = struct.pack("<QHHHHLLQQ", 0, 1, 2, 0, 0, 0x20000, 2, 1, 2)
    resolve = struct.pack("<QHHLH", 1, 1, 0, 1, 7)
    activator, activation = dcomrt.IRemoteSCMActivator, dcomrt.IActivation
    calls = [(MANAGEMENT, opnum, b"") for opnum in (0, 1, 2, 3)]
    calls += [
        (MANAGEMENT, 4, struct.pack("<LL", 10, 100)),
        (EPMAPPER, 2, struct.pack("<LLLL", 0, 0, 0, 1) + bytes(20) + struct.pack("<L", 4)),
        (EPMAPPER, 3, struct.pack("<LL", 0, 0x20000) + twr_t + bytes(20) + struct.pack("<L", 4)),
        (EPMAPPER, 4, bytes(20)),
        (OBJECT_EXPORTER, 0, resolve),
        (OBJECT_EXPORTER, 1, struct.pack("<Q", 1)),
        (OBJECT_EXPORTER, 2, pings),
        (OBJECT_EXPORTER, 3, b""),
        (OBJECT_EXPORTER, 4, resolve),
        (OBJECT_EXPORTER, 5, b""),
        (ACTIVATOR, 3, recorded(lambda dce: activator(dce).RemoteGetClassObject(clsid, interface))),
        (ACTIVATOR, 4, recorded(lambda dce: activator(dce).RemoteCreateInstance(clsid, interface))),
        (ACTIVATION, 0, recorded(lambda dce: activation(dce).RemoteActivation(clsid, interface))),
    ]
    return [(*call, None) for call in calls]


def object_calls(object_, interface: bytes, opnum: int) -> list[tuple]:
    """The same for the exporter of an object: the object's method `opnum`, which has no arguments, and IRemUnknown's."""
    ipid, rem_unknown = object_.main.ipid, object_.ipid_rem_unknown
    reference = struct.pack("<HHL", 1, 0, 1) + ipid + struct.pack("<LL", 1, 0)
    query = ipid + struct.pack("<LHHL", 1, 1, 0, 1) + interface[:16]
    main = (uuid.UUID(bytes_le=interface[:16]), 0, 0)
    calls = [(main, opnum, ORPCTHIS, ipid)] * 3
    for unknown in (REM_UNKNOWN, REM_UNKNOWN_2):
        calls.append((unknown, 3, ORPCTHIS + query, rem_unknown))
        calls += [(unknown, number, ORPCTHIS + reference, rem_unknown) for number in (4, 5)]
    return [*calls, (MANAGEMENT, 2, b"", None)]


class Connection:
    """One connection and what was agreed on it, as far as the fuzzer believes."""

    def __init__(self, fuzzer: LiveFuzzer):
        self.fuzzer, self.random = fuzzer, fuzzer.random
        port, self.calls = self.random.choice(fuzzer.endpoints)
        self.interfaces = list(dict.fromkeys(call[0] for call in self.calls)) + [UNKNOWN]
        self.socket = socket.create_connection((fuzzer.address, port), 30)
        self.contexts: list[tuple] = []
        self.security: list[SecurityContext] = []
        self.call = 1
        self.big = self.random.random() < 0.1

    # Steps

    def bind(self, authenticated: bool):
        """A bind that is right in most cases, with an NTLM exchange if wanted."""
        chosen = self.random.sample(self.interfaces, self.random.randint(1, len(self.interfaces)))
        offers = [(index, interface, [NDR20]) for index, interface in enumerate(chosen)]
        if self.random.random() < 0.3:
            index = self.random.randrange(len(offers))
            transfers = self.random.sample([NDR20, NDR64, FEATURES, UNKNOWN], self.random.randint(0, 4))
            offers[index] = (offers[index][0], offers[index][1], transfers)
        flags = self.random.choice([3, 3, 3, 0x13, 0x07, 0x17, self.random.randrange(256)])
        self.contexts = offers
        self.exchange(BIND, offers, flags) if authenticated else self.ask(bind(offers, flags=flags, big=self.big))

    def exchange(self, kind, offers, flags=FIRST | LAST):
        """The legs of NTLM, each altered now and then."""
        level = self.random.choice([PRIVACY, PRIVACY, INTEGRITY, PACKET, CONNECT])
        security = SecurityContext(self.fuzzer.credentials, level, identifier=self.random.choice([0, 1, 79231]))
        answer = self.ask(bind(offers, kind=kind, flags=flags, auth=self.seldom(security.first), call=self.call))
        if answer is None or answer[2] not in (12, 15) or len(token(answer)) < 32:
            return
        with contextlib.suppress(Exception):  # impacket reads a challenge that answers an altered NEGOTIATE as it can
            last = security.answer(token(answer))
            self.send(pdu(AUTH3, bytes(4), call=self.call, auth=self.seldom(last)))
            self.security.append(security)

    def alter(self):
        transfer = self.random.choice([NDR20, NDR20, NDR64, UNKNOWN])
        offers = [(self.random.randrange(9), self.random.choice(self.interfaces), [transfer])]
        self.contexts += offers
        if self.random.random() < 0.4:
            self.exchange(ALTER_CONTEXT, offers)
        else:
            self.ask(bind(offers, kind=ALTER_CONTEXT, call=self.call))

    def invoke(self):
        """A real call, whole or in fragments, its stub altered or not."""
        interface, opnum, stub, object_id = self.random.choice(self.calls)
        context = next((offer[0] for offer in self.contexts if offer[1] == interface), self.random.randrange(9))
        if self.random.random() < 0.7:
            stub = mutate(self.random, stub)
        if self.random.random() < 0.05:
            opnum = self.random.choice([5, 6, 7, 99, 0xFFFF])
        self.call = max(0, self.call + self.random.choice([1, 1, 1, 1, 0, 100, -1]))
        if self.random.random() < 0.1:
            object_id = self.random.choice([None, bytes(16), self.random.randbytes(16)])
        parts = [stub]
        if self.random.random() < 0.2:
            cuts = sorted(self.random.randrange(len(stub) + 1) for _ in range(self.random.randint(1, 5)))
            parts = [stub[a:b] for a, b in zip([0, *cuts], [*cuts, len(stub)])]
        security = self.random.choice(self.security) if self.security and self.random.random() < 0.95 else None
        output = []
        for index, part in enumerate(parts):
            flags = (FIRST if index == 0 else 0) | (LAST if index == len(parts) - 1 else 0)
            if self.random.random() < 0.03:
                flags ^= 1 << self.random.randrange(8)
            flags &= ~OBJECT_UUID
            hint = self.random.choice([None, None, None, *INTERESTING])
            if security is not None:
                octets = security.request(opnum, part, context, object_id, self.call, flags, hint)
            else:
                identifier = None if object_id is None else uuid.UUID(bytes_le=object_id)
                octets = request(opnum, part, context, identifier, flags, hint, call=self.call, big=self.big)
            output.append(octets)
        self.send(*output)
        self.fuzzer.counts["calls"] += 1
        self.listen(self.random.choice([0, 0, 0.001, 0.01]))

    def cancel(self):
        call = max(0, self.call - self.random.choice([0, 0, 1, 2]))
        self.send(pdu(self.random.choice([CO_CANCEL, ORPHANED]), b"", call=call))

    def anything(self):
        """A PDU of any kind, with a body that may be anything."""
        body = self.random.randbytes(self.random.choice([0, 4, 8, 16, 40, 100, 3000]))
        auth = self.random.choice([b"", trailer() + self.random.randbytes(16), self.random.randbytes(30)])
        length = self.random.choice([None, None, None, *INTERESTING[:15]])
        with contextlib.suppress(struct.error):
            kind, flags, version = self.random.randrange(22), self.random.randrange(256), (5, self.random.choice([0, 1, 2]))
            self.send(pdu(kind, body, flags, self.call, auth, self.big, version, length))

    def noise(self):
        self.socket.sendall(self.random.randbytes(self.random.choice([1, 15, 16, 17, 1000])))

    # Octets

    def seldom(self, octets: bytes) -> bytes:
        return mutate(self.random, octets) if self.random.random() < 0.05 else octets

    def send(self, *octets: bytes):
        output = b"".join(octets)
        if self.random.random() < (0.02 if self.security else 0.06):
            output = mutate(self.random, output)
        if self.random.random() < 0.03:
            for start in range(0, len(output), 7):
                self.socket.sendall(output[start : start + 7])
        else:
            self.socket.sendall(output)
        self.fuzzer.counts["pdus"] += len(octets)

    def ask(self, octets: bytes) -> bytes | None:
        self.send(octets)
        return self.listen(0.1)

    def listen(self, seconds: float) -> bytes | None:
        """What has come when something has, or when the time is over."""
        readable, _, _ = select.select([self.socket], [], [], seconds)
        if not readable:
            return None
        octets = self.socket.recv(1 << 16)
        if not octets:
            raise ConnectionResetError
        self.fuzzer.counts["answers"] += 1
        return octets if len(octets) >= 16 else None

    def run(self):
        self.bind(authenticated=self.random.random() < 0.6) if self.random.random() < 0.95 else None
        steps = [self.invoke] * 12 + [self.alter, self.cancel, self.anything]
        for _ in range(self.random.randint(0, 25)):
            self.random.choice(steps)()
        if self.random.random() < 0.1:
            self.noise()

    def end(self):
        """However a client may go."""
        way = self.random.randrange(4)
        with contextlib.suppress(OSError):
            if way == 0:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif way == 1:
                self.socket.shutdown(socket.SHUT_WR)
                self.listen(0.01)
        if way == 2:
            return self.fuzzer.forget_later(self.socket)
        self.socket.close()


def mutate(random_: random.Random, octets: bytes) -> bytes:
    """Octets with one to four changes: bits, interesting numbers, pieces cut out, doubled, moved, or a new end."""
    changed = bytearray(octets)
    for _ in range(random_.choice([1, 1, 1, 2, 4])):
        if not changed:
            return random_.randbytes(8)
        at = random_.randrange(len(changed))
        kind = random_.randrange(7)
        if kind == 0:
            changed[at] ^= 1 << random_.randrange(8)
        elif kind == 1:
            changed[at] = random_.randrange(256)
        elif kind in (2, 3):
            size, form = random_.choice([(2, "<H"), (4, "<L"), (4, ">L")])
            at &= ~(size - 1)
            value = random_.choice(INTERESTING) & (1 << 8 * size) - 1
            changed[at : at + size] = struct.pack(form, value)
        elif kind == 4:
            del changed[at : at + random_.choice([1, 2, 4, 8, 16])]
        elif kind == 5:
            piece = changed[at : at + random_.choice([4, 16, 64])]
            changed[at:at] = piece
        else:
            del changed[at:]
    return bytes(changed)


class LiveFuzzer:
    """Opens connections one after the other; some of them it leaves open, and closes later."""

    LEFT_OPEN = 20

    def __init__(self, address: str, endpoints: list[tuple[int, list[tuple]]], credentials, seed: int):
        """The endpoints: (port, [(interface, opnum, stub, object)])."""
        self.address, self.endpoints, self.credentials = address, endpoints, credentials
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.open: collections.deque[socket.socket] = collections.deque()

    def run(self, seconds: float, check=lambda: None):
        """Fuzzes for so long, and calls `check` about every other second."""
        end = next_check = time.monotonic()
        end += seconds
        while time.monotonic() < end:
            self.counts["connections"] += 1
            connection = Connection(self)
            try:
                connection.run()
            except OSError:
                self.counts["closed by the node"] += 1
            connection.end()
            if time.monotonic() > next_check:
                check()
                next_check = time.monotonic() + 2
        while self.open:
            self.open.popleft().close()

    def forget_later(self, left: socket.socket):
        self.open.append(left)
        if len(self.open) > self.LEFT_OPEN:
            self.open.popleft().close()


if __name__ == "__main__":
    import csvp
    from dcom import Credentials

    address, port, domain, user, password, *rest = sys.argv[1:]
    calls = endpoint_mapper_calls(csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup)
    seed = int(rest[1]) if len(rest) > 1 else random.randrange(1 << 32)
    fuzzer = LiveFuzzer(address, [(int(port), calls)], Credentials(domain, user, password), seed)
    fuzzer.run(float(rest[0]) if rest else 60)
    print(dict(fuzzer.counts))
