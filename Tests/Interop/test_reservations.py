"""IClusterStorage2's persistent reservations between two nodes on one disk: [MS-CSVP] 3.3.4.6, 3.2.4.16 to 3.2.4.24."""

import threading

import csvp
import pytest
from conftest import Clients
from csvp import ERROR_BUSY, ERROR_INVALID_PARAMETER, ERROR_INVALID_STATE, ERROR_NOT_READY, S_OK
from dcom import Credentials
from lab import BRISK, wait_until

pytestmark = pytest.mark.parametrize("transport", ["emulated", "iscsi"], indirect=True, scope="module")

ABSENT, ELSEWHERE, HERE = 0, 1, 2


def attached(clients, disk, node=0):
    storage = clients.storage(node=node, ready=True)
    assert storage.call("CprepDiskAttach", disk)[0] == S_OK
    return storage


@pytest.fixture
def pair(clients, disk):
    """An object on each node, with the disk attached."""
    return attached(clients, disk, 0), attached(clients, disk, 1)


@pytest.fixture
def sector(pair, disk):
    code, (first, _) = pair[0].arb_sectors(disk)
    assert code == S_OK
    return first


def test_the_sequence(pair, disk, sector):
    """CLEAR, REGISTER, RESERVE (3.3.4.6), and back."""
    first, second = pair
    assert first.codes(disk, "PRRegister", "PRClear") == [S_OK, S_OK]
    assert first.presence(disk) == (S_OK, ABSENT)
    assert first.codes(disk, "PRRegister", "PRReserve", "PRReserve") == [S_OK] * 3
    assert first.presence(disk) == (S_OK, HERE)
    assert second.presence(disk) == (S_OK, ELSEWHERE)
    assert first.raw_write(disk, sector, b"mine") == (S_OK, 512)
    assert second.raw_write(disk, sector, b"not yours") == (ERROR_BUSY, 0)
    assert second.raw_read(disk, sector, 4) == (S_OK, b"mine"), "Write Exclusive lets others read"
    assert first.codes(disk, "PRRelease", "PRUnRegister") == [S_OK, S_OK]
    assert second.presence(disk) == (S_OK, ABSENT)
    assert second.raw_write(disk, sector, b"free") == (S_OK, 512)


def test_registrants_only(pair, disk, sector):
    first, second = pair
    assert first.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]
    assert second.codes(disk, "PRRegister", "PRReserve") == [S_OK, ERROR_BUSY]
    assert second.raw_write(disk, sector, b"registered") == (S_OK, 512)
    # RELEASE by a registrant that does not hold it changes nothing.
    assert second.codes(disk, "PRRelease") == [S_OK]
    assert first.presence(disk) == (S_OK, HERE)
    assert second.codes(disk, "PRUnRegister") == [S_OK]
    assert second.raw_write(disk, sector, b"not any more") == (ERROR_BUSY, 0)
    # The reservation of a registrants-only type ends with its holder's registration.
    assert second.codes(disk, "PRRegister") == [S_OK]
    assert first.codes(disk, "PRUnRegister") == [S_OK]
    assert second.presence(disk) == (S_OK, ABSENT)
    assert second.codes(disk, "PRReserve") == [S_OK]
    assert first.raw_write(disk, sector, b"late") == (ERROR_BUSY, 0)


def test_nothing_goes_without_a_registration(pair, disk):
    first, second = pair
    assert first.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]
    assert second.codes(disk, "PRReserve", "PRRelease", "PRPreempt", "PRClear") == [ERROR_BUSY] * 4
    assert second.codes(disk, "PRUnRegister") == [S_OK], "nothing to ignore, nothing to remove"
    assert first.presence(disk) == (S_OK, HERE)


def test_preempting_needs_a_reservation(pair, disk, transport):
    """"CprepDiskPRReserve SHOULD be called before CprepDiskPRPreempt"."""
    first, _ = pair
    assert first.codes(disk, "PRRegister") == [S_OK]
    # A victim of zero, with which nobody is registered: a conflict by SPC-3 5.6.10.4.4, GOOD by tgtd (1.0.85).
    (code,) = first.codes(disk, "PRPreempt")
    assert code in (ERROR_BUSY, ERROR_INVALID_PARAMETER) or transport == "iscsi"
    assert first.presence(disk) == (S_OK, ABSENT)
    assert first.codes(disk, "PRReserve") == [S_OK]


def test_preempting_while_the_holder_writes(pair, disk, sector):
    first, second = pair
    assert first.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]
    assert second.codes(disk, "PRRegister") == [S_OK]
    codes, begun = [], threading.Event()

    def write():
        while not codes or codes[-1] == S_OK:
            codes.append(first.raw_write(disk, sector, b"holder")[0])
            begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(30)
    assert second.codes(disk, "PRPreempt") == [S_OK]
    assert second.raw_write(disk, sector, b"winner" + b"\0" * 506) == (S_OK, 512)
    writer.join(30)
    assert not writer.is_alive()
    assert codes[-1] == ERROR_BUSY, "the loser's next write conflicts"
    assert second.raw_read(disk, sector, 6) == (S_OK, b"winner")
    assert second.presence(disk) == (S_OK, HERE)
    assert first.presence(disk) == (S_OK, ELSEWHERE)
    assert first.codes(disk, "PRReserve", "PRPreempt", "PRClear") == [ERROR_BUSY] * 3


def test_clearing(pair, disk, sector):
    first, second = pair
    assert first.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]
    assert second.codes(disk, "PRRegister", "PRClear") == [S_OK, S_OK]
    assert first.presence(disk) == (S_OK, ABSENT)
    assert first.codes(disk, "PRReserve") == [ERROR_BUSY], "every registration went"
    assert second.codes(disk, "PRReserve") == [ERROR_BUSY]
    assert first.raw_write(disk, sector, b"free") == (S_OK, 512)
    assert second.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]


# Whose a registration is


def test_a_registration_ends_with_its_object(clients, pair, disk, sector):
    first, second = pair
    assert first.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]
    assert second.raw_write(disk, sector, b"early") == (ERROR_BUSY, 0)
    clients.release(first)
    assert second.presence(disk) == (S_OK, ABSENT)
    assert second.raw_write(disk, sector, b"free") == (S_OK, 512)
    assert second.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]


def test_two_objects_of_one_node_share_its_registration(clients, pair, disk, sector):
    first, elsewhere = pair
    other = attached(clients, disk, 0)
    assert first.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]
    assert other.presence(disk) == (S_OK, HERE)
    assert other.raw_write(disk, sector, b"same node") == (S_OK, 512)
    assert other.codes(disk, "PRRegister") == [S_OK]
    clients.release(first)
    assert elsewhere.presence(disk) == (S_OK, ABSENT), "the reservation was the first one's"
    assert other.codes(disk, "PRReserve") == [S_OK], "the registration is still the other's"
    assert elsewhere.presence(disk) == (S_OK, ELSEWHERE)
    clients.release(other)
    assert elsewhere.presence(disk) == (S_OK, ABSENT)


# Beside the node's ownership


def test_registering_an_owned_disk_disturbs_nobody(clients, pair, disk, sector):
    owner, elsewhere = pair
    owner.take(disk)
    other = attached(clients, disk, 0)
    assert other.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]
    assert other.presence(disk) == (S_OK, HERE)
    assert other.raw_write(disk, sector, b"intruder") == (ERROR_BUSY, 0)
    assert owner.write_file(disk, 1, "still.bin", b"mine") == S_OK
    assert owner.delete_file(disk, 1, "still.bin") == S_OK
    assert owner.codes(disk, "CprepDiskOffline", "CprepDiskStopDefense") == [S_OK, S_OK]
    assert other.codes(disk, "PRReserve") == [S_OK]
    assert other.raw_write(disk, sector, b"mine now") == (S_OK, 512)
    assert elsewhere.raw_write(disk, sector, b"not yours") == (ERROR_BUSY, 0)


@pytest.mark.parametrize("command", ["PRClear", "PRUnRegister", "PRRelease"])
@pytest.mark.parametrize("by_the_owner", [True, False], ids=["owner", "other"])
def test_a_command_that_ends_the_ownership_takes_the_disk_offline(clients, pair, disk, command, by_the_owner):
    owner, elsewhere = pair
    owner.take(disk)
    assert owner.write_file(disk, 1, "safe.bin", b"safe") == S_OK
    culprit = owner if by_the_owner else attached(clients, disk, 0)
    assert culprit.codes(disk, command) == [S_OK]
    assert owner.write_file(disk, 1, "late.bin", b"late") == ERROR_INVALID_STATE
    wait_until(lambda: owner.codes(disk, "CprepDiskIsOnline") == [ERROR_NOT_READY], 5, "the owner to hear of it")
    assert owner.codes(disk, "CprepDiskOnline", "CprepDiskStopDefense") == [ERROR_INVALID_STATE] * 2
    assert elsewhere.presence(disk) == (S_OK, ABSENT)
    elsewhere.take(disk)
    assert elsewhere.verify_file(disk, 1, "safe.bin", b"safe") == S_OK
    assert elsewhere.delete_file(disk, 1, "safe.bin") == S_OK


def test_a_defended_disk_does_not_keep_strangers_registrations(pair, disk, sector):
    owner, stranger = pair
    owner.take(disk)
    assert stranger.codes(disk, "PRRegister") == [S_OK]
    wait_until(
        lambda: stranger.raw_write(disk, sector, b"stranger")[0] == ERROR_BUSY, 10, "the owner to remove the stranger"
    )
    assert stranger.codes(disk, "PRReserve", "PRPreempt", "PRClear") == [ERROR_BUSY] * 3
    assert owner.codes(disk, "CprepDiskIsOnline") == [S_OK]
    assert owner.write_file(disk, 1, "kept.bin", b"kept") == S_OK
    assert owner.delete_file(disk, 1, "kept.bin") == S_OK


def test_preempting_an_owner(pair, disk, sector):
    """One that registers and preempts between two looks of the owner wins; the owner's volumes go offline."""
    owner, robber = pair
    owner.take(disk)
    # The owner may look in between; then the robber tries again.
    wait_until(
        lambda: robber.codes(disk, "PRRegister", "PRPreempt") == [S_OK, S_OK], 20, "a moment between two looks"
    )
    assert robber.presence(disk) == (S_OK, HERE)
    assert owner.raw_write(disk, sector, b"loser") == (ERROR_BUSY, 0)
    wait_until(lambda: owner.codes(disk, "CprepDiskIsOnline") == [ERROR_NOT_READY], 10, "the owner to notice")
    assert owner.write_file(disk, 1, "late.bin", b"late") == ERROR_INVALID_STATE
    assert robber.presence(disk) == (S_OK, HERE), "the loser takes nothing back"


# Nodes that are killed


@pytest.fixture
def cluster(daemons, transport):
    made = daemons(iscsi=transport == "iscsi", **BRISK).start()
    clients = Clients(made.lab, Credentials(made.lab.domain, made.lab.user, made.lab.password))
    yield made, clients
    clients.close()


def test_a_killed_nodes_reservation_can_be_preempted(cluster):
    nodes, clients = cluster
    disk = csvp.DiskID.of(nodes.disks[0])
    first, second = attached(clients, disk, 0), attached(clients, disk, 1)
    _, (sector, _) = second.arb_sectors(disk)
    assert first.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]
    nodes.kill(0)
    clients.objects.remove(first.proxy.object)
    assert second.raw_write(disk, sector, b"early") == (ERROR_BUSY, 0), "a reservation outlives its holder"
    assert second.codes(disk, "PRRegister", "PRPreempt") == [S_OK, S_OK]
    assert second.raw_write(disk, sector, b"mine") == (S_OK, 512)
    nodes.start(0)
    back = attached(clients, disk, 0)
    assert back.presence(disk) == (S_OK, ELSEWHERE)
    assert back.raw_write(disk, sector, b"late") == (ERROR_BUSY, 0)


def test_a_restarted_node_takes_its_old_registration_off(cluster):
    nodes, clients = cluster
    disk = csvp.DiskID.of(nodes.disks[0])
    first, second = attached(clients, disk, 0), attached(clients, disk, 1)
    assert first.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]
    nodes.kill(0)
    clients.objects.remove(first.proxy.object)
    assert second.presence(disk) == (S_OK, ELSEWHERE)
    nodes.start(0)
    wait_until(lambda: second.presence(disk) == (S_OK, ABSENT), 10, "the node to tidy up")


def test_a_stopped_node_takes_its_registrations_off(cluster):
    nodes, clients = cluster
    disk = csvp.DiskID.of(nodes.disks[0])
    first, second = attached(clients, disk, 0), attached(clients, disk, 1)
    assert first.codes(disk, "PRRegister", "PRReserve") == [S_OK, S_OK]
    assert nodes.daemons[0].stop() == 0
    nodes.running.discard(0)
    clients.objects.remove(first.proxy.object)
    assert second.presence(disk) == (S_OK, ABSENT)
