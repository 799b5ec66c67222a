"""ADAPTERLIST and ADAPTERLIST2 ([MS-CSVP] 2.2.11 to 2.2.17), read by hand from the specification and strict about each MUST.

Where the text says SHOULD (zeros behind an address, unique descriptions) the decoder insists as well: the tests are about a
server that follows every recommendation but the one for exactly one cluster adapter, which it has none of.
"""

from __future__ import annotations

import ipaddress
import re
import struct
import uuid
from dataclasses import dataclass, field

IF_TYPE_ETHERNET_CSMACD, IF_TYPE_SOFTWARE_LOOPBACK, IF_TYPE_TUNNEL = 6, 24, 131
AF_INET, AF_INET6 = 2, 23

#: ifOperStatus of RFC 2863
OPER_STATUS = {1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "notPresent", 7: "lowerLayerDown"}


class Malformed(Exception):
    """The octets break one of the specification's demands."""


def demand(condition: bool, text: str):
    if not condition:
        raise Malformed(text)


class Cursor:
    """Everything is little endian and nothing is aligned."""

    def __init__(self, octets: bytes):
        self.octets, self.offset = octets, 0

    def take(self, count: int) -> bytes:
        taken = self.octets[self.offset : self.offset + count]
        demand(len(taken) == count, f"{count} octets wanted at {self.offset} of {len(self.octets)}")
        self.offset += count
        return taken

    def number(self, form: str) -> int:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def text(self, what: str, size: int | None = None) -> str:
        """A Unicode string behind its size in octets, without a null at its end."""
        length = self.number("H")
        demand(size is None or length == size, f"{what} has 0x{length:04x} octets, not 0x{size or 0:04x}")
        demand(length % 2 == 0, f"{what} has an odd number of octets")
        text = self.take(length).decode("utf-16-le")  # strict: a lone surrogate is no Unicode string
        demand("\0" not in text, f"{what} has a null in it")
        return text

    def flag(self, what: str) -> bool:
        value = self.number("B")
        demand(value in (0, 1), f"{what} is {value}")
        return bool(value)

    def address(self):
        """sockaddr_in or sockaddr_in6 in 128 octets, as Windows numbers the families."""
        octets = self.take(128)
        (family,) = struct.unpack_from("<H", octets)
        demand(family in (AF_INET, AF_INET6), f"an address of the family {family}")
        port, rest = octets[2:4], octets[8:] if family == AF_INET else octets[28:]
        demand(port == b"\0\0", "an adapter's address has a port")
        demand(not any(rest), "the octets behind an address are not zero")
        if family == AF_INET:
            return ipaddress.IPv4Address(octets[4:8])
        flow, scope = octets[4:8], struct.unpack_from("<L", octets, 24)[0]
        demand(not any(flow), "an adapter's address has flow information")
        address = ipaddress.IPv6Address(octets[8:24])
        demand(bool(scope) == address.is_link_local, f"{address} has the scope {scope}")
        return ipaddress.IPv6Address(f"{address}%{scope}") if scope else address


@dataclass
class Adapter:
    """ADAPTER, or ADAPTER2 with what only that has."""

    description: str
    friendly_name: str
    name: str
    prefixes: list = field(default_factory=list)
    physical_address: str = ""
    addresses: list = field(default_factory=list)
    gateways: list = field(default_factory=list)
    index: int | None = None
    type: int = 0
    tunnel: int = 0
    status: str = ""
    dhcp: bool = False
    internal: bool = False
    cluster: bool = False
    iscsi: bool | None = None
    speed: int | None = None
    rdma: bool | None = None
    rss: bool | None = None


@dataclass
class AdapterList:
    server: str
    adapters: list[Adapter]
    guids: list[uuid.UUID]

    def of(self, name: str) -> Adapter:
        """The adapter that Linux calls so."""
        return next(adapter for adapter in self.adapters if adapter.friendly_name == name)

    @property
    def names(self) -> set[str]:
        return {adapter.friendly_name for adapter in self.adapters}


def decode(octets: bytes) -> AdapterList:
    """ADAPTERLIST2, 2.2.16."""
    cursor = Cursor(octets)
    demand(cursor.number("H") == 0x0002, "AdapterList2IdentifierLength")
    demand(cursor.number("H") == 0x227A, "AdapterList2Identifier")
    return _list(cursor, _adapter2)


def decode_older(octets: bytes) -> AdapterList:
    """ADAPTERLIST, 2.2.11."""
    cursor = Cursor(octets)
    demand(cursor.text("AdapterListName", 0x2E) == "class mscs::AdapterList", "AdapterListName")
    return _list(cursor, _adapter)


def _list(cursor: Cursor, read) -> AdapterList:
    server = cursor.text("ServerName")
    demand(re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", server) is not None, f"{server!r} is no domain name")
    adapters = [read(cursor) for _ in range(cursor.number("H"))]
    guids = [_guid(cursor) for _ in range(cursor.number("H"))]
    demand(cursor.offset == len(cursor.octets), f"{len(cursor.octets) - cursor.offset} octets behind the list")
    demand(len(guids) >= 2 * len(adapters), f"{len(guids)} GUIDs for {len(adapters)} adapters")
    for what in ("description", "friendly_name", "name"):
        texts = [getattr(adapter, what) for adapter in adapters]
        demand(all(texts) and len(set(texts)) == len(texts), f"each {what} is there and unique: {texts}")
    return AdapterList(server, adapters, guids)


def _guid(cursor: Cursor) -> uuid.UUID:
    text = cursor.text("Guid", 0x48)
    demand(re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) is not None, f"{text!r} is no UUID")
    return uuid.UUID(text)


def _adapter(cursor: Cursor) -> Adapter:
    demand(cursor.text("AdapterName", 0x26) == "class mscs::Adapter", "AdapterName")
    adapter = _texts(cursor)
    _numbers(cursor, adapter)
    return _checked(adapter)


def _adapter2(cursor: Cursor) -> Adapter:
    demand(cursor.number("H") == 0x0002, "Adapter2IdentifierLength")
    demand(cursor.number("H") == 0x227B, "Adapter2Identifier")
    adapter = _texts(cursor)
    adapter.index = cursor.number("L")
    _numbers(cursor, adapter)
    adapter.iscsi = cursor.flag("ConnectedToiSCSI")
    adapter.speed = cursor.number("Q")
    adapter.rdma = cursor.flag("RdmaCapable")
    adapter.rss = cursor.flag("RssCapable")
    return _checked(adapter)


def _texts(cursor: Cursor) -> Adapter:
    adapter = Adapter(cursor.text("Description"), cursor.text("FriendlyName"), cursor.text("Name"))
    for _ in range(cursor.number("H")):
        endpoint = cursor.address()
        length = cursor.number("L")
        demand(length <= endpoint.max_prefixlen, f"a prefix of {length} bits")
        adapter.prefixes.append((endpoint, length))
    adapter.physical_address = cursor.text("PhysicalAddress")
    adapter.addresses = [cursor.address() for _ in range(cursor.number("H"))]
    adapter.gateways = [cursor.address() for _ in range(cursor.number("H"))]
    return adapter


def _numbers(cursor: Cursor, adapter: Adapter):
    adapter.type, adapter.tunnel = cursor.number("L"), cursor.number("L")
    status = cursor.number("L")
    demand(status in OPER_STATUS, f"OperStatus is {status}")
    adapter.status = OPER_STATUS[status]
    adapter.dhcp = cursor.flag("DhcpEnabled")
    adapter.internal = cursor.flag("InternalNetwork")
    adapter.cluster = cursor.flag("ClusterAdapter")


def _checked(adapter: Adapter) -> Adapter:
    demand(1 <= adapter.type <= 303, f"AdapterType {adapter.type} is none of IANA's")
    demand(adapter.tunnel <= 15, f"TunnelType is {adapter.tunnel}")
    # Six octets for Ethernet; for others the same form, with at least eight.
    octets = "{6}" if adapter.type == IF_TYPE_ETHERNET_CSMACD else "{8,}"
    demand(
        re.fullmatch(f"([0-9A-F]{{2}}-){octets}", adapter.physical_address + "-") is not None,
        f"{adapter.friendly_name}: PhysicalAddress is {adapter.physical_address!r}",
    )
    # "Contains the associated prefix lengths for the addresses of the adapter listed in the Address field."
    for address in adapter.addresses:
        demand(
            any(address in ipaddress.ip_network((int_free(endpoint), length), strict=False)
                for endpoint, length in adapter.prefixes if endpoint.version == address.version),
            f"{adapter.friendly_name}: no prefix for {address}",
        )
    demand(len(set(adapter.addresses)) == len(adapter.addresses), f"{adapter.friendly_name}: an address twice")
    return adapter


def int_free(address):
    """The address without its scope, which networks do not have."""
    return type(address)(address.packed)
