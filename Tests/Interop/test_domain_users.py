"""Users whom the node does not know itself: Samba's winbind checks their NTLM responses."""

import os

import pytest
from dcom import Credentials
from lab import Lab, wait_until
from test_authentication import ACCESS_DENIED, refusal
from winbind import Winbind

PASSWORD = "W1nbind-Passw0rd"


@pytest.fixture(scope="module")
def winbind(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("winbindd and its helper's mount namespace need root")
    with Winbind(tmp_path_factory.mktemp("winbind"), PASSWORD) as running:
        yield running


@pytest.fixture(scope="module", params=["administrator", "user"])
def lab(request, winbind, tmp_path_factory):
    variables = {"CLUSPREPD_NTLM_AUTH": ",".join(winbind.helper)}
    if request.param == "administrator":
        variables["CLUSPREPD_DOMAIN_ADMINISTRATORS"] = f"{winbind.domain.lower()}\\{winbind.user}"
    running = Lab(tmp_path_factory.mktemp("lab") / "shared", nodes=1, disks=1, **variables)
    running.is_administrator = request.param == "administrator"
    yield running
    code = running.stop()
    assert code == 0, f"clusprep lab ended with {code} on SIGTERM"
    wait_until(lambda: not running.leftovers(), 10, "the lab's processes, the helpers among them, to go away")


def test_a_domains_user(lab, winbind):
    for _ in range(2):
        refused = refusal(lab, Credentials(winbind.domain, winbind.user, PASSWORD))
        assert refused is None if lab.is_administrator else refused is not None


def test_a_wrong_password(lab, winbind):
    """Each answer belongs to its own question, though ntlm_auth ends its refusals twice."""
    for name, password in [(winbind.user, "wrong"), ("nobody-at-all", PASSWORD)]:
        assert refusal(lab, Credentials(winbind.domain, name, password)) == ("fault", ACCESS_DENIED)
        test_a_domains_user(lab, winbind)


def test_the_nodes_own_user(lab, credentials):
    assert refusal(lab, credentials) is None
