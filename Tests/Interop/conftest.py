"""A lab for all tests, and clients on it."""

from __future__ import annotations

import contextlib

import csvp
import pytest
from dcom import Credentials, activate
from lab import Daemons, Lab, alive, binaries, wait_until


def pytest_sessionstart(session):
    for name in ("clusprep", "clusprepd"):
        if not (binaries() / name).exists():
            pytest.exit(f"{binaries() / name} is missing: build the package, or set CLUSPREP_BIN_DIR", returncode=2)


def pytest_collection_modifyitems(config, items):
    """Leaves out what has no meaning for a transport: tests marked only_on("emulated") or only_on("iscsi")."""

    def belongs(item):
        mark = item.get_closest_marker("only_on")
        return mark is None or item.callspec.params["transport"] in mark.args

    config.hook.pytest_deselected(items=[item for item in items if not belongs(item)])
    items[:] = [item for item in items if belongs(item)]


@pytest.fixture(scope="module")
def transport(request):
    """How the lab's nodes reach their disks: "emulated", or "iscsi". A file of tests asks for both with

    pytestmark = pytest.mark.parametrize("transport", ["emulated", "iscsi"], indirect=True, scope="module")
    """
    return getattr(request, "param", "emulated")


#: Most arbitrations of the tests are refused, which takes as long as a challenge: 7 s without this.
QUICK = {"CLUSPREPD_DEFENSE_INTERVAL": "1", "CLUSPREPD_CHALLENGE_TIME": "5"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory, transport):
    """Two nodes and two disks (one GPT, one MBR) for one file of tests. Nothing but its folder may be left at the end."""
    folder = tmp_path_factory.mktemp("lab") / "shared"
    running = Lab(folder, iscsi=transport == "iscsi", **QUICK)
    yield running
    code = running.stop()
    assert code == 0, f"clusprep lab ended with {code} on SIGTERM"
    wait_until(lambda: not running.leftovers(), 10, "the lab's processes and ports to go away")
    assert folder.is_dir(), "the lab removed its folder"


@pytest.fixture(scope="module")
def credentials(lab):
    return Credentials(lab.domain, lab.user, lab.password)


@pytest.fixture
def node(lab):
    return lab.nodes[0]


@pytest.fixture
def gpt(lab):
    return csvp.DiskID.of(next(disk for disk in lab.disks if disk["style"].lower() == "gpt"))


@pytest.fixture
def mbr(lab):
    return csvp.DiskID.of(next(disk for disk in lab.disks if disk["style"].lower() == "mbr"))


@pytest.fixture(params=["gpt", "mbr"])
def disk(request, gpt, mbr):
    return {"gpt": gpt, "mbr": mbr}[request.param]


class Clients:
    """Activates objects and sees to it that none outlives its test: what a client holds, others cannot have."""

    def __init__(self, lab, credentials):
        self.lab, self.credentials = lab, credentials
        self.objects = []

    def activate(self, clsid, interface, node=0, **how):
        opened = activate(self.lab.nodes[node], self.credentials, clsid, interface, **how)
        self.objects.append(opened)
        return opened

    def storage(self, node=0, ready=False, **how) -> csvp.Storage:
        result = csvp.Storage(
            self.activate(csvp.CLSID_ClusterStorage2, csvp.IID_IClusterStorage2, node, **how).main
        )
        if ready:
            result.ready()
        return result

    def setup(self, node=0, **how) -> csvp.Setup:
        return csvp.Setup(self.activate(csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup, node, **how).main)

    def release(self, client):
        """Gives the object back now; it is collected when this returns."""
        object_ = client.proxy.object
        self.objects.remove(object_)
        code = object_.release()
        object_.close()
        assert code == 0, f"RemRelease: 0x{code:08x}"

    def close(self):
        for object_ in reversed(self.objects):
            with contextlib.suppress(Exception):  # the test may have killed the node or cut the connection
                object_.release()
            with contextlib.suppress(Exception):
                object_.close()
        self.objects.clear()


@pytest.fixture
def clients(lab, credentials):
    opened = Clients(lab, credentials)
    yield opened
    opened.close()


@pytest.fixture
def survives(lab):
    """After the test, every node still runs, and is the same process."""
    before = [node["pid"] for node in lab.nodes]
    yield
    assert all(alive(pid) for pid in before), f"a node died; see {lab.log}"


@pytest.fixture
def daemons(tmp_path):
    """A maker of nodes that a test may kill: `daemons(nodes=…, disks=…, ping_period="1")`, settings as clusprepd has them."""
    made = []

    def make(nodes=2, disks=2, **settings):
        result = Daemons(tmp_path / f"lab{len(made)}", nodes, disks, **settings)
        made.append(result)
        return result

    yield make
    for result in made:
        result.kill_all()
        if result.target:
            result.target.kill()
