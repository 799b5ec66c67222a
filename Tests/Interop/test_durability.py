"""Nothing that was acknowledged is lost, and nothing else is kept: SIGKILL at random moments."""

import os
import random
import threading
import time

import csvp
from conftest import Clients
from csvp import S_OK
from dcom import Credentials

ROUNDS = int(os.environ.get("CLUSPREP_KILL_ROUNDS", "15"))


def clients_of(nodes):
    return Clients(nodes.lab, Credentials(nodes.lab.domain, nodes.lab.user, nodes.lab.password))


def test_the_secret_is_an_acknowledged_one_or_the_one_in_flight(daemons):
    nodes = daemons(nodes=1, disks=1)
    nodes.start()
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # pytest shows it when the test fails
    moments = random.Random(seed)
    number = 0
    acknowledged = None
    for _ in range(ROUNDS):
        setup = clients_of(nodes).setup()
        progress = {"acknowledged": acknowledged, "in flight": None, "calls": 0}

        def write(setup=setup, progress=progress, first=number):
            value = first
            while True:
                secret = f"secret {value} ".encode() * (1 + value % 40)
                progress["in flight"] = secret
                try:
                    code = setup.config_secret(secret)
                except Exception:
                    return  # the node was killed
                assert code == S_OK
                progress["acknowledged"], progress["in flight"] = secret, None
                progress["calls"] += 1
                value += 1

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        # A random moment: after some calls, and then anywhere within the next few.
        wanted = moments.randrange(0, 12)
        deadline = time.monotonic() + 60
        while progress["calls"] < wanted and time.monotonic() < deadline:
            time.sleep(0.0005)
        writer.join(moments.random() * 0.02)
        nodes.kill(0)
        writer.join(30)
        assert not writer.is_alive()
        setup.proxy.object.association.abort()

        nodes.start(0)
        check = clients_of(nodes)
        code, secret = check.setup().retrieve_secret()
        check.close()
        possible = [progress["acknowledged"], progress["in flight"]]
        if code == csvp.ERROR_FILE_NOT_FOUND:
            assert progress["acknowledged"] is None, "an acknowledged secret is gone"
        else:
            assert code == S_OK
            assert secret in [value for value in possible if value is not None]
            acknowledged = secret
        number += progress["calls"] + 1
    nodes.stop()


def test_a_restart_keeps_the_secret_and_forgets_the_objects(daemons):
    nodes = daemons(nodes=1, disks=1)
    nodes.start()
    before = clients_of(nodes)
    setup = before.setup()
    assert setup.retrieve_secret() == (csvp.ERROR_FILE_NOT_FOUND, None)
    assert setup.config_secret(b"kept") == S_OK
    stale = setup.proxy.ipid
    assert nodes.stop() == {0: 0}
    setup.proxy.object.association.abort()

    nodes.start()
    after = clients_of(nodes)
    again = after.setup()
    assert again.retrieve_secret() == (S_OK, b"kept")
    assert again.proxy.ipid != stale, "identifiers are never used again"
    after.close()
    nodes.stop()


def test_the_secret_is_not_in_clear_on_the_disk(daemons, tmp_path):
    nodes = daemons(nodes=1, disks=1)
    nodes.start()
    clients = clients_of(nodes)
    secret = os.urandom(32).hex().encode()
    assert clients.setup().config_secret(secret) == S_OK
    clients.close()
    nodes.stop()
    for folder, _, names in os.walk(tmp_path):
        for name in names:
            path = os.path.join(folder, name)
            if name == "lab.json" or path in [disk["path"] for disk in nodes.disks]:
                continue  # the lab tells its user the password; the nodes keep it to themselves
            with open(path, "rb") as file:
                content = file.read()
            assert secret not in content, path
            assert secret.decode().encode("utf-16-le") not in content, path
            assert nodes.lab.password.encode() not in content, path
