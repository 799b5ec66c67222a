"""Clients that connect and die at random: one process holds many, and is itself killed in the midst of it.

Each client goes a random number of steps of its kind's way and then waits for its death, which is a reset, an orderly close, or the
end of its process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import socket
import time

import csvp
from crowd import Sealed, allow_descriptors, source
from csvp import CLSID_ClusterStorage2, IID_IClusterStorage2, S_OK
from dcom import Credentials, activate, exporter
from impacket import ntlm
from ntlm_wire import trailer
from pdus import EPMAPPER, MANAGEMENT, NDR20, Wire, bind, pdu, request

EPT_LOOKUP = 2


class Client:
    """One client: `live` goes its way, `close` and `abort` are its two deaths."""

    def __init__(self, world: World, number: int):
        self.world, self.number = world, number
        self.opened: list = []
        kinds = [self.half_a_word, self.stranger, self.unfinished, self.caller, self.caller, self.pinger, self.owner]
        self.way = world.random.choices(kinds, weights=[3, 3, 2, 4, 4, 1, 1])[0]()

    def live(self):
        """A random number of steps."""
        steps = self.world.random.randrange(1, 9)
        # A thousand others take and lose what it wants: it may meet with anything.
        with contextlib.suppress(Exception):
            for _ in range(steps):
                if next(self.way, self) is self:
                    break

    def wire(self) -> Wire:
        wire = Wire(self.world.node["address"], self.world.node["endpointMapperPort"])
        self.opened.append(wire.socket)
        return wire

    def half_a_word(self):
        token = trailer() + os.urandom(self.world.random.randrange(300))
        octets = bind([(0, MANAGEMENT, [NDR20])], auth=token)
        wire = self.wire()
        yield
        cut = sorted(self.world.random.randrange(len(octets)) for _ in range(3))
        for begin, end in zip([0, *cut], cut):
            wire.send(octets[begin:end])
            yield

    def stranger(self):
        """Inquiries that are never gone through to their ends, and a request whose last fragment never comes."""
        wire = self.wire()
        wire.ask(bind([(0, EPMAPPER, [NDR20])]))
        yield
        for number in range(3):
            # Everything, one entry at a time.
            stub = bytes(4) + bytes(4) + bytes(4) + b"\1\0\0\0" + bytes(20) + b"\1\0\0\0"
            wire.ask(request(EPT_LOOKUP, stub, call=number + 2))
            yield
        wire.send(request(EPT_LOOKUP, bytes(4000), flags=1, call=9))
        yield

    def unfinished(self):
        """A logon that stops after the challenge."""
        wire = self.wire()
        negotiate = ntlm.getNTLMSSPType1("", "", signingRequired=True).getData()
        wire.ask(bind([(0, MANAGEMENT, [NDR20])], auth=trailer() + negotiate))
        yield
        wire.send(pdu(16, b"\0" * 4, auth=trailer() + os.urandom(200)))
        yield

    def caller(self):
        sealed = Sealed(self.world.node, self.world.credentials, source(self.number))
        self.opened.append(sealed.socket)
        yield
        for _ in range(4):
            sealed.listens()
            yield
        # Its answers find nobody.
        for _ in range(3):
            sealed.begin()
            yield

    def pinger(self):
        association, resolver = exporter(self.world.node, self.world.credentials)
        self.opened.append(association.transport.get_socket())
        yield
        for number in range(3):
            resolver.ComplexPing(0, number, [], [])
            yield

    def owner(self):
        """An object with a disk, or on the way there."""
        opened = activate(self.world.node, self.world.credentials, CLSID_ClusterStorage2, IID_IClusterStorage2)
        self.opened.append(opened.association.transport.get_socket())
        yield
        storage = csvp.Storage(opened.main)
        storage.ready()
        yield
        disk = self.world.random.choice(self.world.disks)
        for name in ("CprepDiskAttach", "CprepDiskPRArbitrate", "CprepDiskOnline"):
            if storage.call(name, disk)[0] != S_OK:
                return
            yield
        storage.write_file(disk, 1, f"{self.number}.bin", b"x" * 1000)
        yield

    def die(self):
        """By a reset, or as if the program had ended in order."""
        abrupt = self.world.random.random() < 0.5
        for connection in self.opened:
            with contextlib.suppress(OSError):
                if abrupt:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.close()


class World:
    """What the clients of one process share."""

    def __init__(self, node: dict, disks: list[dict], credentials: Credentials, seed: int):
        self.node, self.credentials = node, credentials
        self.disks = [csvp.DiskID.of(disk) for disk in disks]
        self.random = random.Random(seed)


def live(node: dict, disks: list[dict], credentials: Credentials, population: int, seed: int, deaths):
    """The life of one process: it fills its places with clients and lets one after the other die, until it is killed."""
    allow_descriptors(2 * population)
    world = World(node, disks, credentials, seed)
    places: list[Client | None] = [None] * population
    number = seed
    while True:
        # All places are taken before the first client dies.
        place = number - seed if number - seed < population else world.random.randrange(population)
        if (old := places[place]) is not None:
            old.die()
            deaths.value += 1
        places[place] = client = Client(world, number)
        number += 1
        client.live()


def run(node: dict, disks: list[dict], credentials: Credentials, seconds: float, population: int, processes: int = 4) -> int:
    """Lets so many clients live and die for so long; how many died. One process in ten seconds is killed with all of its own."""
    world = multiprocessing.get_context("fork")
    # Each is one process' own: who is killed holds no lock then.
    deaths = [world.Value("q", 0, lock=False) for _ in range(processes)]
    each = population // processes
    chance = random.Random(population)

    def start(number):
        seed = chance.randrange(1 << 30)
        process = world.Process(
            target=live, args=(node, disks, credentials, each, seed, deaths[number]), daemon=True)
        process.start()
        return process

    running = [start(number) for number in range(processes)]
    until = time.monotonic() + seconds
    try:
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, chance.uniform(5, 15)))
            victim = chance.randrange(processes)
            assert running[victim].is_alive(), "a client's process ended by itself"
            os.kill(running[victim].pid, signal.SIGKILL)
            running[victim].join()
            deaths[victim].value += each
            if until > time.monotonic():
                running[victim] = start(victim)
    finally:
        for process in running:
            process.kill()
            process.join()
    return sum(count.value for count in deaths)
