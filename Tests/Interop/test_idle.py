"""Clients that log on and then say nothing: what they cost, and that they are still served.

`CLUSPREP_IDLE_ASSOCIATIONS` says how many there are (1,000). At 10,000, on a release build, the daemon as a whole has to stay
within 200 MB.
"""

import os

import pytest
from crowd import Sealed, allow_descriptors, at_rest, descriptors, memory, source
from dcom import Credentials
from lab import wait_until

COUNT = int(os.environ.get("CLUSPREP_IDLE_ASSOCIATIONS", "1000"))
#: What 10,000 may take, the daemon itself included; and what each of fewer may.
BUDGET = 200_000_000
EACH = 16 * 1024


@pytest.mark.timeout(900)
def test_idle_associations_cost_little(daemons, record_property):
    if not allow_descriptors(COUNT):
        pytest.skip(f"the limit of open files leaves no room for {COUNT} connections: ulimit -Hn {COUNT + 256}")
    nodes = daemons(nodes=1, disks=1, maximum_connections=str(COUNT + 100)).start()
    lab, node = nodes.lab, nodes.nodes[0]
    credentials = Credentials(lab.domain, lab.user, lab.password)

    def connect(number):
        made = Sealed(node, credentials, source(number // 50))
        made.listens()
        return made

    # What the first ones make it load and allocate is no cost of theirs.
    for client in [connect(number) for number in range(50)]:
        client.close()
    opened = at_rest(node["pid"])
    before = memory(node["pid"])
    crowd = []
    try:
        for number in range(COUNT):
            crowd.append(connect(number))
        after = memory(node["pid"])
        each = (after["Rss"] - before["Rss"]) / COUNT
        line = f"{COUNT} associations: {before['Rss']:,} -> {after['Rss']:,} octets, {each:,.0f} each"
        record_property("memory", line)
        print(line)
        assert descriptors(node["pid"]) >= opened + COUNT
        assert each <= EACH, line
        if COUNT >= 10_000:
            assert after["Rss"] <= BUDGET, line
        # The key streams of each are where they were.
        for client in crowd:
            client.listens()
    finally:
        for client in crowd:
            client.close()
    wait_until(lambda: descriptors(node["pid"]) <= opened + 2, 30, "the connections to be closed")
    assert nodes.stop() == {0: 0}
