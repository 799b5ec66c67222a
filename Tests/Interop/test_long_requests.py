"""Requests of megabytes: how long they may be, and how many of them at a time."""

import pytest
from conftest import Clients
from csvp import S_OK, DiskID
from dcom import Credentials, Fault
from lab import wait_until

ACCESS_DENIED = 5
SERVER_TOO_BUSY = 0x1C010014
LONGEST = 65 << 20  # docs/limits.md
AT_A_TIME = 4


@pytest.fixture
def node1(daemons):
    made = daemons(nodes=1, disks=1).start()
    clients = Clients(made.lab, Credentials(made.lab.domain, made.lab.user, made.lab.password))
    yield made, clients
    clients.close()


def test_a_file_that_is_announced_too_long(node1):
    """The length of the first fragment's hint is what counts, so nobody has to send it to see it refused."""
    nodes, clients = node1
    disk = DiskID.of(nodes.disks[0])
    storage = clients.storage(ready=True)
    storage.take(disk)
    content = b"x" * 10_000  # two fragments and more
    assert storage.write_large_file(disk, 1, "a.bin", content, announced=LONGEST) == S_OK
    assert storage.verify_large_file(disk, 1, "a.bin", content) == S_OK
    with pytest.raises(Fault) as caught:
        storage.write_large_file(disk, 1, "a.bin", content, announced=LONGEST + 1)
    assert caught.value.status == ACCESS_DENIED
    clients.objects.remove(storage.proxy.object)


def test_few_at_a_time(node1):
    """Those that do not come to their end take all places; a small request still finds its way, and a closed connection
    gives its place back."""
    nodes, clients = node1
    disk = DiskID.of(nodes.disks[0])
    storage = clients.storage(ready=True)
    storage.take(disk)
    content = b"x" * 10_000
    stuck = [clients.storage() for _ in range(AT_A_TIME)]
    for client in stuck:
        client.begin_large_file(disk, 1, "b.bin", content, announced=LONGEST)

    def outcome():
        try:
            return storage.write_large_file(disk, 1, "a.bin", content, announced=LONGEST)
        except Fault as fault:
            return fault.status

    # Nothing is answered to those before, so nobody can tell when they have arrived.
    wait_until(lambda: outcome() == SERVER_TOO_BUSY, 20, "the places to be taken")
    assert storage.write_large_file(disk, 1, "a.bin", content) == S_OK, "the connection goes on"
    for client in stuck:
        clients.objects.remove(client.proxy.object)
        client.proxy.object.association.abort()
    wait_until(lambda: outcome() == S_OK, 20, "the places to be given back")
    assert storage.verify_large_file(disk, 1, "a.bin", content) == S_OK
