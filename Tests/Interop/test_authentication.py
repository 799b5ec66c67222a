"""Who may not come in, and how they are told."""

import contextlib
import struct

import csvp
import pytest
from dcom import Association, BindRefused, Credentials, Fault, HResultError, exporter
from impacket import ntlm
from impacket.dcerpc.v5.dcomrt import IID_IRemoteSCMActivator, IRemoteSCMActivator
from impacket.dcerpc.v5.rpcrt import (
    RPC_C_AUTHN_LEVEL_CONNECT,
    RPC_C_AUTHN_LEVEL_PKT_INTEGRITY,
    RPC_C_AUTHN_LEVEL_PKT_PRIVACY,
)

pytestmark = pytest.mark.usefixtures("survives")

ACCESS_DENIED = 0x00000005
LEVELS = [RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY]


def refusal(lab, credentials, level=RPC_C_AUTHN_LEVEL_PKT_PRIVACY):
    """What a caller sees who tries to activate: ("fault", status), ("bind_nak", reason) or ("hresult", code)."""
    node = lab.nodes[0]
    try:
        with Association(node["address"], node["endpointMapperPort"], credentials, level) as association:
            bound = association.bind(IID_IRemoteSCMActivator)
            bound.bind = lambda *_, **__: None
            try:
                IRemoteSCMActivator(bound).RemoteCreateInstance(csvp.CLSID_ClusterSetup, csvp.IID_IClusterSetup)
            except Exception as error:
                if association.received[2:3] == b"\x02":
                    return "hresult", getattr(error, "error_code", None)
                association._raise(error)
    except Fault as fault:
        return "fault", fault.status
    except BindRefused as refused:
        return "bind_nak", refused.reason
    return None


@pytest.mark.parametrize("level", LEVELS)
def test_wrong_password(lab, credentials, level):
    wrong = Credentials(credentials.domain, credentials.user, credentials.password + "x")
    assert refusal(lab, wrong, level) == ("fault", ACCESS_DENIED)


@pytest.mark.parametrize("level", LEVELS)
def test_unknown_user(lab, credentials, level):
    wrong = Credentials(credentials.domain, "nobody-here", credentials.password)
    assert refusal(lab, wrong, level) == ("fault", ACCESS_DENIED)


def test_a_wrong_password_looks_like_an_unknown_user(lab, credentials):
    wrong = Credentials(credentials.domain, credentials.user, "wrong")
    unknown = Credentials(credentials.domain, "nobody-here", "wrong")
    assert refusal(lab, wrong) == refusal(lab, unknown)


def test_empty_password(lab, credentials):
    assert refusal(lab, Credentials(credentials.domain, credentials.user, "")) == ("fault", ACCESS_DENIED)


def test_anonymous(lab):
    assert refusal(lab, Credentials("", "", "")) == ("fault", ACCESS_DENIED)


def test_unauthenticated(lab):
    assert refusal(lab, None) == ("fault", ACCESS_DENIED)


def test_unauthenticated_on_the_exporter(clients):
    """Knowing an IPID is not enough."""
    setup = clients.setup()
    address, port = setup.proxy.object._binding()
    with Association(address, port) as association:
        bound = association.bind(csvp.IID_IClusterSetup)
        with pytest.raises(Fault) as caught:
            association.request(bound, (5, b"\x05\0\x07\0" + b"\0" * 28), setup.proxy.ipid)
        assert caught.value.status == ACCESS_DENIED
    assert setup.host_label()[0] == csvp.S_OK


def test_the_right_user_still_comes_in(lab, credentials):
    assert refusal(lab, Credentials(credentials.domain, credentials.user, "wrong")) is not None
    assert refusal(lab, credentials) is None
    assert refusal(lab, Credentials(credentials.domain, credentials.user.upper(), credentials.password)) is None


def test_ping_needs_no_administrator_but_serveralive_needs_nobody(lab):
    association, resolver = exporter(lab.nodes[0])
    with association:
        resolver.ServerAlive()


def test_a_promised_mic_must_be_there(lab, credentials, monkeypatch):
    """MsvAvFlags 0x2 says that the AUTHENTICATE_MESSAGE has a MIC ([MS-NLMP] 2.2.2.1); impacket then sends none."""
    original = ntlm.computeResponseNTLMv2

    def with_flag(flags, server_challenge, client_challenge, server_name, *arguments, **keywords):
        pairs = ntlm.AV_PAIRS(server_name)
        pairs[ntlm.NTLMSSP_AV_FLAGS] = struct.pack("<L", 2)
        return original(flags, server_challenge, client_challenge, pairs.getData(), *arguments, **keywords)

    monkeypatch.setattr(ntlm, "computeResponseNTLMv2", with_flag)
    assert refusal(lab, credentials) == ("fault", ACCESS_DENIED)


def test_a_token_for_another_challenge(lab, credentials, monkeypatch):
    """An AUTHENTICATE_MESSAGE is good for one challenge only: a replayed one is refused."""
    recorded = []
    original = ntlm.getNTLMSSPType3

    def record(*arguments, **keywords):
        recorded.append(original(*arguments, **keywords))
        return recorded[-1]

    monkeypatch.setattr(ntlm, "getNTLMSSPType3", record)
    assert refusal(lab, credentials) is None
    monkeypatch.setattr(ntlm, "getNTLMSSPType3", lambda *_, **__: recorded[0])
    assert refusal(lab, credentials) == ("fault", ACCESS_DENIED)


def test_ntlm_version_one(lab, credentials, monkeypatch):
    """NTLMv2 only. impacket then computes with the NTLM2 session response, which is of version 1."""
    monkeypatch.setattr(
        ntlm,
        "computeResponse",
        lambda flags, server, client, name, domain, user, password, *_, **__: ntlm.computeResponseNTLMv1(
            flags, server, client, name, domain, user, password
        ),
    )
    assert refusal(lab, credentials) == ("fault", ACCESS_DENIED)


@pytest.mark.parametrize("where", ["stub", "signature", "header"])
def test_an_altered_request(clients, where):
    """One bit changed on its way: nothing of it is executed, and the caller is told or cut off."""
    setup = clients.setup()
    assert setup.config_secret(b"before") == csvp.S_OK
    association = setup.proxy.object.association
    send = association.transport.send

    def altering(pdu, *arguments, **keywords):
        changed = bytearray(pdu)
        position = {"stub": 60, "signature": len(changed) - 10, "header": 22}[where]
        changed[position] ^= 1
        return send(bytes(changed), *arguments, **keywords)

    association.transport.send = altering
    with pytest.raises(Exception) as caught:
        setup.config_secret(b"altered")
    if isinstance(caught.value, Fault):
        assert caught.value.status in (ACCESS_DENIED, 0x00000721, 0x1C010002)  # RPC_S_SEC_PKG_ERROR
    association.transport.send = send
    with contextlib.suppress(Exception):
        clients.release(setup)
    assert clients.setup().retrieve_secret() == (csvp.S_OK, b"before")


def test_a_replayed_request(clients):
    """The same sealed PDU twice: its sequence number is spent."""
    setup = clients.setup()
    association = setup.proxy.object.association
    sent = []
    send = association.transport.send

    def recording(pdu, *arguments, **keywords):
        sent.append(bytes(pdu))
        return send(pdu, *arguments, **keywords)

    association.transport.send = recording
    assert setup.config_secret(b"first") == csvp.S_OK
    replay = sent[-1]
    assert setup.config_secret(b"second") == csvp.S_OK
    raw = association.transport.get_socket()
    raw.sendall(replay)
    with contextlib.suppress(OSError):
        answer = raw.recv(65536)
        assert answer[2:3] != b"\x02", "a replayed request was answered"
    assert clients.setup().retrieve_secret() == (csvp.S_OK, b"second")


def test_another_user_cannot_use_the_object(clients, lab, credentials):
    """An association that failed to authenticate gets nothing from a live IPID."""
    setup = clients.setup()
    address, port = setup.proxy.object._binding()
    wrong = Credentials(credentials.domain, credentials.user, "wrong")
    with Association(address, port, wrong) as association:
        with pytest.raises((Fault, BindRefused, HResultError)):
            bound = association.bind(csvp.IID_IClusterSetup)
            association.request(bound, (5, b"\x05\0\x07\0" + b"\0" * 28), setup.proxy.ipid)
