"""A daemon without another file descriptor to spare."""

import os
import resource
import socket
import time

from conftest import Clients
from csvp import S_OK
from dcom import Credentials
from lab import wait_until

LIMIT = 200
CONNECTIONS = 300


def processor_time(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_more_connections_than_descriptors(daemons):
    """Who is connected is answered, and nobody spins on those who wait to be."""
    nodes = daemons(nodes=1, disks=1).start()
    clients = Clients(nodes.lab, Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password))
    node = nodes.nodes[0]
    setup = clients.setup()
    assert setup.host_label()[0] == S_OK
    resource.prlimit(node["pid"], resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    waiting = []
    try:
        for _ in range(CONNECTIONS):
            connection = socket.socket()
            waiting.append(connection)
            connection.setblocking(False)
            connection.connect_ex((node["address"], node["endpointMapperPort"]))
        wait_until(lambda: len(os.listdir(f"/proc/{node['pid']}/fd")) >= LIMIT - 2, 20, "the descriptors to run out")
        before, used = time.monotonic(), processor_time(node["pid"])
        while time.monotonic() - before < 3:
            assert setup.host_label()[0] == S_OK
            time.sleep(0.25)
        used = processor_time(node["pid"]) - used
        assert used < 1.5, f"{used} s of processor time in 3 s"
    finally:
        for connection in waiting:
            connection.close()
    assert clients.setup().host_label()[0] == S_OK
    clients.close()
    assert nodes.stop() == {0: 0}
