"""A thousand clients that connect and die at random: what they leave behind is nothing.

`CLUSPREP_DYING_SECONDS` says for how long (15).
"""

import os
import time

import pytest
from conftest import Clients
from crowd import at_rest, descriptors, memory
from csvp import S_OK, DiskID
from dcom import Credentials, HResultError, exporter
from dying import run
from lab import BRISK, wait_until

SECONDS = float(os.environ.get("CLUSPREP_DYING_SECONDS", "15"))
POPULATION = 1000
PERIOD = 1  # seconds; three missed and an object is collected
OBJECTS = 40
E_OUTOFMEMORY = 0x8007000E
ABSENT = 0
#: What may stay: the allocator's and the database's own business, not something of each client.
GROWTH = 12 << 20


@pytest.mark.timeout(600 + 2 * SECONDS)
def test_nothing_is_left_of_a_thousand_clients(daemons, record_property):
    nodes = daemons(
        ping_period=str(PERIOD), **BRISK, maximum_connections=str(3 * POPULATION),
        maximum_objects=str(OBJECTS), maximum_objects_per_user=str(OBJECTS), maximum_ping_sets=str(OBJECTS),
        authentication_timeout="5",
    ).start()
    lab, node = nodes.lab, nodes.nodes[0]
    credentials = Credentials(lab.domain, lab.user, lab.password)
    opened = at_rest(node["pid"])

    def settle():
        """Until the connections are closed and the objects' time is over."""
        wait_until(lambda: descriptors(node["pid"]) <= opened + 4, 60, "the connections to be closed")
        time.sleep(5 * PERIOD)

    # The allocator's arenas and every cache grow to what such a crowd needs, which is no leak.
    run(node, nodes.disks, credentials, max(5, SECONDS / 10), POPULATION)
    settle()
    before = memory(node["pid"])["Rss"]
    deaths = run(node, nodes.disks, credentials, SECONDS, POPULATION)
    crowded = memory(node["pid"])["Rss"]
    settle()
    after = memory(node["pid"])["Rss"]
    line = (
        f"{deaths} clients died in {SECONDS:g} s: {before:,} octets before, {crowded:,} in their midst, {after:,} after; "
        f"descriptors {opened} -> {descriptors(node['pid'])}"
    )
    record_property("memory", line)
    print(line)
    assert deaths >= POPULATION // 4  # one process at least was killed with all of its own
    assert after <= before + GROWTH, line

    # No disk is anybody's, seen from the other node.
    clients = Clients(lab, credentials)
    other = clients.storage(node=1, ready=True)
    for disk in map(DiskID.of, nodes.disks):
        assert other.call("CprepDiskAttach", disk)[0] == S_OK
        assert other.presence(disk) == (S_OK, ABSENT)
        other.take(disk)
        assert other.call("CprepDiskOffline", disk)[0] == S_OK
    clients.close()

    # No object is alive, or there would not be room for so many; and for no more.
    association, resolver = exporter(node, credentials)
    made, set_id = [], 0
    for number in range(OBJECTS):
        made.append(clients.storage(node=0))
        set_id = resolver.ComplexPing(set_id, number, [made[-1].proxy.object.oid], [])["pSetId"]
    with pytest.raises(HResultError) as refused:
        clients.storage(node=0)
    assert refused.value.code == E_OUTOFMEMORY
    assert made[0].prepare()[0] == S_OK
    association.close()
    clients.close()
    assert nodes.stop() == {0: 0, 1: 0}
