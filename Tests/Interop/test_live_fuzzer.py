"""A running node and a client that is out of its mind: afterwards the node is as it was.

CLUSPREP_FUZZ_SECONDS says how long (15; before a release, 600), CLUSPREP_FUZZ_SEED which sequences (1).
"""

import os
import resource
import struct
import time

import csvp
import pytest
from conftest import Clients
from dcom import Credentials
from lab import alive, wait_until
from live_fuzzer import ACTIVATOR, LiveFuzzer, endpoint_mapper_calls, object_calls
from pdus import BIND_ACK, MANAGEMENT, NDR20, Wire, bind, request

SECONDS = float(os.environ.get("CLUSPREP_FUZZ_SECONDS", "15"))
SEED = int(os.environ.get("CLUSPREP_FUZZ_SEED", "1"))
HOST_LABEL = 5  # IClusterSetup::RetrieveHostLabel
GROWTH = 48 << 20  # of the resident memory, from the end of the first third to the end


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.timeout(SECONDS + 240)
def test_live_fuzzer(daemons, record_property):
    # Objects that a fuzzed activation made, and nobody pings, go soon.
    nodes = daemons(nodes=1, disks=1, ping_period="1").start()
    node = nodes.nodes[0]
    pid = node["pid"]
    credentials = Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password)

    def normal_client():
        clients = Clients(nodes.lab, credentials)
        setup = clients.setup()
        assert setup.host_label()[0] == csvp.S_OK
        clients.release(setup)
        clients.close()

    def strangers_are_answered():
        assert alive(pid), f"the node died; see {nodes.lab.log}"
        with Wire(node["address"], node["endpointMapperPort"]) as wire:
            assert wire.ask(bind([(0, MANAGEMENT, [NDR20])])).kind == BIND_ACK
            assert wire.ask(request(2)).stub == struct.pack("<LL", 0, 1)

    normal_client()
    before = descriptors(pid)
    victims = Clients(nodes.lab, credentials)
    victim = victims.setup().proxy.object
    calls = endpoint_mapper_calls(csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup)
    assert all(stub for interface, _, stub, _ in calls if interface == ACTIVATOR), "impacket made no activation"
    endpoints = [
        (node["endpointMapperPort"], calls),
        (victim._binding()[1], object_calls(victim, csvp.IID_IClusterSetup, HOST_LABEL)),
    ]
    fuzzer = LiveFuzzer(node["address"], endpoints, credentials, SEED)
    start = time.monotonic()
    fuzzer.run(SECONDS / 3, strangers_are_answered)
    warm = resident(pid)
    fuzzer.run(SECONDS * 2 / 3, strangers_are_answered)
    seconds = time.monotonic() - start
    victims.close()
    normal_client()
    wait_until(lambda: descriptors(pid) <= before, 60, f"the descriptors to be {before} again")
    after = resident(pid)
    figures = {**fuzzer.counts, "seconds": round(seconds), "resident MiB": (warm >> 20, after >> 20)}
    print(figures)
    record_property("figures", str(figures))
    assert after - warm < GROWTH, f"the node has grown: {figures}"
    assert fuzzer.counts["answers"] > fuzzer.counts["connections"] / 2, f"the node hardly answered: {figures}"
    assert nodes.stop() == {0: 0}
