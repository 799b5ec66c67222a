"""DCOM on top of impacket's DCE/RPC: activation both ways, calls on an object, reference counts and pinging.

impacket's own DCOMConnection keeps one connection for each target and thread in class variables, and knows no port but
135. Tests need many clients at once, on any port, each with its own identity; so only the marshalling and the security
are impacket's here. `test_activation.py` also drives DCOMConnection itself.
"""

from __future__ import annotations

import socket
import struct
import sys

from impacket import ntlm
from impacket.dcerpc.v5 import transport
from impacket.dcerpc.v5.dcomrt import (
    IID,
    IID_IObjectExporter,
    IID_IRemUnknown,
    IActivation,
    IObjectExporter,
    IRemoteSCMActivator,
    ORPCTHIS,
    REMINTERFACEREF,
    RemQueryInterface,
    RemQueryInterfaceResponse,
    RemRelease,
    RemReleaseResponse,
)
from impacket.dcerpc.v5.dtypes import NULL
from impacket.dcerpc.v5.rpcrt import RPC_C_AUTHN_GSS_NEGOTIATE, RPC_C_AUTHN_LEVEL_PKT_PRIVACY, DCERPCException
from impacket.uuid import generate

TIMEOUT = 120  # seconds; only what hangs takes longer


class Fault(Exception):
    """A fault PDU, with its status as it was on the wire."""

    def __init__(self, status: int):
        super().__init__(f"fault 0x{status:08x}")
        self.status = status


class BindRefused(Exception):
    """A bind_nak (`reason`), or a presentation context that was not accepted."""

    def __init__(self, reason: int | None, text: str):
        super().__init__(text)
        self.reason = reason


class Credentials:
    """A password; or the tickets in the ccache that KRB5CCNAME names, if `service_host` says what host they are to be for."""

    def __init__(self, domain: str, user: str, password: str, service_host: str | None = None):
        self.domain, self.user, self.password, self.service_host = domain, user, password, service_host


class Association:
    """One TCP connection and what is bound on it."""

    def __init__(
        self,
        host: str,
        port: int,
        credentials: Credentials | None = None,
        level: int = RPC_C_AUTHN_LEVEL_PKT_PRIVACY,
    ):
        self.host, self.port = host, port
        rpc = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:{host}[{port}]")
        rpc.set_connect_timeout(TIMEOUT)
        self.received = b""  # since the last PDU was sent: impacket tells a fault's status in words only
        receive, send = rpc.recv, rpc.send

        def remembering(*arguments, **keywords):
            octets = receive(*arguments, **keywords)
            self.received += octets or b""
            return octets

        def forgetting(*arguments, **keywords):
            self.received = b""
            return send(*arguments, **keywords)

        rpc.recv, rpc.send = remembering, forgetting
        if credentials is not None:
            rpc.set_credentials(credentials.user, credentials.password, credentials.domain)
        self.transport = rpc
        self.dce = rpc.get_dce_rpc()
        if credentials is not None:
            self.dce.set_auth_level(level)
            if credentials.service_host:
                rpc.set_kerberos(True)
                rpc.setRemoteName(credentials.service_host)
                self.dce.set_auth_type(RPC_C_AUTHN_GSS_NEGOTIATE)
        self.dce.connect()
        rpc.get_socket().settimeout(TIMEOUT)
        self._contexts = {}

    def bind(self, abstract_syntax: bytes):
        """Binds, or alters the context of, this association; the impacket object to call through."""
        if abstract_syntax in self._contexts:
            return self._contexts[abstract_syntax]
        try:
            if not self._contexts:
                self.dce.bind(abstract_syntax)
                bound = self.dce
            else:
                # From the last one: impacket numbers the new context after the one it is altered from.
                bound = next(reversed(self._contexts.values())).alter_ctx(abstract_syntax)
        except DCERPCException as error:
            self._raise(error)
        self._contexts[abstract_syntax] = bound
        return bound

    def request(self, bound, call, object_id: bytes | None = None) -> bytes:
        """Sends one call (an NDRCALL, or a tuple of opnum and octets); the response's stub."""
        opnum, body = (call.opnum, call) if hasattr(call, "opnum") else call
        try:
            bound.call(opnum, body, object_id)
            return bound.recv()
        except DCERPCException as error:
            self._raise(error)

    def request_large(
        self, bound, opnum: int, stub: bytes, object_id: bytes, announced: int | None = None, begin_only: bool = False
    ) -> bytes | None:
        """As `request`, for megabytes: impacket takes a millisecond for each fragment, most of it in packing headers. Its
        security context is what seals them here, too. A length other than the stub's can be announced, and only the first
        fragment be sent."""

        def state(name):
            return getattr(bound, "_DCERPC_v5__" + name)

        call_id, handle = state("callid"), state("clientSealingHandle")
        room = (state("max_xmit_size") - 24 - 16 - 8 - 16) & ~15
        total = (len(stub) + room - 1) // room
        output = []
        for number in range(1 if begin_only else total):
            part = stub[number * room : (number + 1) * room]
            padding = -len(part) % 4
            part += bytes(padding)
            flags = 0x80 | (1 if number == 0 else 0) | (2 if number == total - 1 else 0)
            # The object follows; see MSRPCRequestHeader.
            header = struct.pack(
                "<BBBBLHHLLHH", 5, 0, 0, flags, 0x10, 64 + len(part), 16, call_id, announced or len(stub), bound._ctx, opnum
            )
            trailer = struct.pack("<BBBBL", state("auth_type"), state("auth_level"), padding, 0, bound._ctx + 79231)
            sequence = state("sequence")
            sealed, signature = ntlm.SEAL(
                state("flags"), state("clientSigningKey"), None, header + object_id + part + trailer, part, sequence, handle
            )
            bound._DCERPC_v5__sequence = sequence + 1
            output += [header, object_id, sealed, trailer, signature.getData()]
        bound._DCERPC_v5__callid = call_id + 1
        self.received = b""
        raw = self.transport.get_socket()
        try:
            raw.sendall(b"".join(output))
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused half way: what the server said of it has arrived
        if begin_only:
            return None
        try:
            return bound.recv()
        except DCERPCException as error:
            self._raise(error)

    def _raise(self, error):
        pdu = self.received
        if len(pdu) >= 28 and pdu[2] == 3:  # fault: the status follows alloc_hint, context and cancel count
            raise Fault(struct.unpack("<L", pdu[24:28])[0]) from error
        if len(pdu) >= 18 and pdu[2] == 13:
            raise BindRefused(struct.unpack("<H", pdu[16:18])[0], str(error)) from error
        if len(pdu) >= 3 and pdu[2] in (12, 15):
            raise BindRefused(None, str(error)) from error
        raise error

    def close(self):
        self.transport.disconnect()

    def abort(self):
        """Cuts the connection as a crashed client would: a reset, and no orderly end."""
        raw = self.transport.get_socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def new_orpcthis() -> ORPCTHIS:
    this = ORPCTHIS()
    this["cid"] = generate()
    this["extensions"] = NULL
    this["flags"] = 0
    return this


class Proxy:
    """One interface of one object: an IPID, called over an association with the object's exporter."""

    def __init__(self, object_, abstract_syntax: bytes, ipid: bytes):
        self.object = object_
        self.syntax = abstract_syntax
        self.ipid = ipid

    def call(self, request):
        """The decoded response; its return value is left in ErrorCode. Faults are raised."""
        request["ORPCthis"] = new_orpcthis()
        stub = self.call_raw(request)
        answers = sys.modules[type(request).__module__]
        return getattr(answers, type(request).__name__ + "Response")(stub)

    def call_raw(self, call) -> bytes:
        """Sends an NDRCALL, or (opnum, stub octets including ORPCTHIS); the response's stub octets."""
        association = self.object.association
        return association.request(association.bind(self.syntax), call, self.ipid)


class Object:
    """An activated object: what the activation answered, and an association with its exporter."""

    def __init__(self, interface, abstract_syntax: bytes, credentials, level: int, host: str):
        self.host = host
        self.credentials = credentials
        self.oid = interface.get_oid()
        self.oxid = interface.get_oxid()
        self.ipid_rem_unknown = interface.get_ipidRemUnknown()
        self.bindings = [
            (binding["wTowerId"], binding["aNetworkAddr"].rstrip("\0"))
            for binding in interface.get_cinstance().get_string_bindings()
        ]
        self.auth_hint = interface.get_cinstance().get_auth_level()
        address, port = self._binding()
        self.association = Association(address, port, credentials, level)
        self.main = Proxy(self, abstract_syntax, interface.get_iPid())
        self.queried: list[bytes] = []

    def _binding(self) -> tuple[str, int]:
        for tower, text in self.bindings:
            name, bracket, port = text.partition("[")
            if tower == 7 and bracket and name == self.host:
                return name, int(port.rstrip("]"))
        raise AssertionError(f"no TCP binding with a port for {self.host}: {self.bindings}")

    def query(self, abstract_syntax: bytes) -> Proxy:
        """IRemUnknown::RemQueryInterface for one interface."""
        request = RemQueryInterface()
        request["ORPCthis"] = new_orpcthis()
        request["ripid"] = self.main.ipid
        request["cRefs"] = 5
        request["cIids"] = 1
        wanted = IID()
        wanted["Data"] = abstract_syntax[:16]
        request["iids"].append(wanted)
        stub = self._rem_unknown(request)
        answer = RemQueryInterfaceResponse(stub)
        if answer["ErrorCode"] != 0:
            raise HResultError(answer["ErrorCode"])
        result = answer["ppQIResults"]
        if result["hResult"] != 0:
            raise HResultError(result["hResult"] & 0xFFFFFFFF)
        self.queried.append(result["std"]["ipid"])
        return Proxy(self, abstract_syntax, result["std"]["ipid"])

    def release(self, count: int = 5) -> int:
        """IRemUnknown::RemRelease of the references that activation and queries gave; the return value."""
        request = RemRelease()
        request["ORPCthis"] = new_orpcthis()
        request["cInterfaceRefs"] = 1 + len(self.queried)
        for ipid in [self.main.ipid, *self.queried]:
            element = REMINTERFACEREF()
            element["ipid"] = ipid
            element["cPublicRefs"] = count
            element["cPrivateRefs"] = 0
            request["InterfaceRefs"].append(element)
        self.queried.clear()
        return RemReleaseResponse(self._rem_unknown(request))["ErrorCode"]

    def _rem_unknown(self, request) -> bytes:
        bound = self.association.bind(IID_IRemUnknown)
        return self.association.request(bound, request, self.ipid_rem_unknown)

    def close(self):
        self.association.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class HResultError(Exception):
    def __init__(self, code: int):
        super().__init__(f"HRESULT 0x{code:08x}")
        self.code = code


def activate(
    node: dict,
    credentials: Credentials | None,
    clsid: bytes,
    interface: bytes,
    way: str = "RemoteCreateInstance",
    activation_level: int = RPC_C_AUTHN_LEVEL_PKT_PRIVACY,
    level: int = RPC_C_AUTHN_LEVEL_PKT_PRIVACY,
) -> Object:
    """Activates a class on a node (the lab's description of it), by IRemoteSCMActivator or by IActivation."""
    host = node["address"]
    with Association(host, node["endpointMapperPort"], credentials, activation_level) as scm:
        request = scm.dce.request

        def checking(call, *arguments, **keywords):
            # impacket looks into a RemoteActivation's answer without looking whether there is anything in it
            answer = request(call, *arguments, **keywords)
            if way == "RemoteActivation" and answer["phr"] != 0:
                raise HResultError(answer["phr"] & 0xFFFFFFFF)
            return answer

        scm.dce.request = checking
        try:
            if way == "RemoteCreateInstance":
                answer = IRemoteSCMActivator(scm.dce).RemoteCreateInstance(clsid, interface)
            elif way == "RemoteActivation":
                answer = IActivation(scm.dce).RemoteActivation(clsid, interface)
            else:
                raise ValueError(way)
        except DCERPCException as error:
            if scm.received[2:3] == b"\x02" and error.error_code is not None:
                raise HResultError(error.error_code & 0xFFFFFFFF) from error
            scm._raise(error)
    return Object(answer, interface, credentials, level, host)


def exporter(node: dict, credentials: Credentials | None = None, level: int = RPC_C_AUTHN_LEVEL_PKT_PRIVACY):
    """(association, impacket's IObjectExporter) of a node's resolver; without credentials, unauthenticated."""
    association = Association(node["address"], node["endpointMapperPort"], credentials, level)
    association.bind(IID_IObjectExporter)
    # impacket's methods bind on each call; ours is bound already
    association.dce.bind = lambda *_, **__: None
    association.dce.connect = lambda *_, **__: None
    return association, IObjectExporter(association.dce)

