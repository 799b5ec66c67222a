"""The octets of the protocol suite's PDUs: exactly those to send, and a pattern of those to receive."""

from __future__ import annotations

import re
import struct
import uuid

TYPES = {
    "request": 0, "response": 2, "fault": 3, "bind": 11, "bind_ack": 12, "bind_nak": 13, "alter_context": 14,
    "alter_context_resp": 15, "auth3": 16, "shutdown": 17, "co_cancel": 18, "orphaned": 19,
}  # fmt: skip
NAMES = {number: name for name, number in TYPES.items()}
FLAGS = {
    "none": 0, "first": 1, "last": 2, "cancel": 4, "header_sign": 4, "reserved": 8, "multiplex": 0x10,
    "did_not_execute": 0x20, "maybe": 0x40, "object": 0x80,
}  # fmt: skip
STATUSES = {
    "access_denied": 5, "no_call_active": 0x6BD, "cannot_support": 0x6E4, "bad_stub_data": 0x6F7,
    "sec_pkg_error": 0x721, "op_rng_error": 0x1C010002, "unk_if": 0x1C010003, "proto_error": 0x1C01000B,
    "server_too_busy": 0x1C010014, "fault_cancel": 0x1C00000D, "fault_remote_no_memory": 0x1C00001B,
}  # fmt: skip
REASONS = {
    "not_specified": 0, "temporary_congestion": 1, "local_limit_exceeded": 2, "protocol_version_not_supported": 4,
    "authentication_type_not_recognized": 8, "invalid_checksum": 9,
}  # fmt: skip
SYNTAXES = {
    "zero": ("00000000-0000-0000-0000-000000000000", 0, 0),
    "ndr": ("8a885d04-1ceb-11c9-9fe8-08002b104860", 2, 0),
    "ndr64": ("71710533-beba-4937-8319-b5dbef9ccc36", 1, 0),
    "mgmt": ("afa8bd80-7d8a-11c9-bef4-08002b102989", 1, 0),
    "epmapper": ("e1af8308-5d1f-11c9-91a4-08002b14a0fa", 3, 0),
    "unknown": ("01234567-89ab-cdef-0123-456789abcdef", 1, 0),
}
REJECTIONS = {"not_specified": 0, "abstract": 1, "transfer": 2, "limit": 3}
AUTHENTICATION = {"none": 0, "krb5": 16, "spnego": 9, "ntlm": 10, "schannel": 68}

#: An octet of a pattern that may be anything.
ANY = None


def number(text: str) -> int:
    return int(text, 0)


def flags(text: str) -> int:
    if text[0].isdigit():
        return number(text)
    result = 0
    for name in text.split("+"):
        result |= FLAGS[name]
    return result


def pattern(text: str) -> list:
    """`.`-joined parts of hexadecimal digits, each perhaps repeated: `04000000.00*12.??*4`."""
    result = []
    for part in filter(None, text.split(".")):
        digits, _, count = part.partition("*")
        octets = [ANY if pair == "??" else int(pair, 16) for pair in re.findall("..", digits)]
        result += octets * int(count or 1)
    return result


def octets(text: str) -> bytes:
    return bytes(pattern(text))


def syntax(name: str, big: bool) -> bytes:
    """A syntax by its name; `mgmt@2.1` is another version of it, `features:3` a list of features."""
    if name.startswith("features:"):
        bits, _, other = name.partition(":")[2].partition("@")
        identifier = uuid.UUID(bytes_le=bytes.fromhex("2c1cb76c12984045") + struct.pack("<Q", number(bits)))
        version = [1, 0]
    else:
        name, _, other = name.partition("@")
        text, *version = SYNTAXES[name]
        identifier = uuid.UUID(text)
    if other:
        version = [int(part) for part in other.split(".")]
    order = ">" if big else "<"
    return (identifier.bytes if big else identifier.bytes_le) + struct.pack(order + "L", version[1] << 16 | version[0])


class PDU:
    """A PDU from a line of the suite, without its authentication."""

    def __init__(self, kind: str, bare: list[str], values: dict[str, list[str]], variables: dict):
        self.kind, self.bare, self.values, self.variables = kind, bare, values, variables
        self.big = self.value("drep", "little") == "big"
        self.order = ">" if self.big else "<"

    def value(self, name: str, default: str | None = None) -> str | None:
        return self.values[name][-1] if name in self.values else default

    def int(self, name: str, default: int = 0) -> int:
        text = self.value(name)
        return default if text is None else number(text)

    def pack(self, layout: str, *items) -> bytes:
        return struct.pack(self.order + layout, *items)

    def header(self, length: int, auth_length: int) -> bytes:
        drep = self.value("drep", "little")
        drep = {"little": b"\x10\0\0\0", "big": b"\0\0\0\0"}.get(drep) or octets(drep)
        version = bytes(int(part) for part in self.value("version", "5.0").split("."))
        kind = self.int("type") if self.kind == "pdu" else TYPES[self.kind]
        default = "first+last" + ("+did_not_execute" if "did_not_execute" in self.bare else "")
        flag = flags(self.value("flags", default)) | (0x80 if "object" in self.values else 0)
        return (
            version + bytes([kind, flag]) + drep
            + self.pack("HHL", self.int("length", length), self.int("auth_length", auth_length), self.int("call", 1))
        )  # fmt: skip

    def body(self) -> bytes:
        """What follows the header, before any authentication."""
        if self.kind in ("bind", "alter_context"):
            group = self.value("group", "0")
            group = self.variables[group] if group.startswith("$") else number(group)
            offers = [word for word in self.bare if "(" in word]
            result = self.pack("HHL", self.int("xmit", 5840), self.int("recv", 5840), group)
            result += bytes([self.int("count", len(offers)), 0, 0, 0])
            for offer in offers:
                result += self.offer(offer)
            return result
        if self.kind == "request":
            stub = octets(self.value("stub", ""))
            result = self.pack("LHH", self.int("hint", len(stub)), self.int("context"), self.int("opnum", 2))
            if "object" in self.values:
                identifier = uuid.UUID(self.value("object"))
                result += identifier.bytes if self.big else identifier.bytes_le
            return result + stub
        if self.kind == "auth3":
            return octets(self.value("pad", "00000000"))
        return octets(self.value("body", ""))

    def offer(self, text: str) -> bytes:
        """`0:mgmt(ndr,ndr64)`"""
        match = re.fullmatch(r"(\w+):([\w.@]+)\((.*)\)", text)
        syntaxes = [name for name in match[3].split(",") if name]
        result = self.pack("H", number(match[1])) + bytes([len(syntaxes), 0]) + syntax(match[2], self.big)
        return result + b"".join(syntax(name, self.big) for name in syntaxes)

    def expected(self, port: int) -> list:
        """The pattern of an answer, without its authentication; the lengths in its header are the caller's."""
        body = []
        if self.kind in ("bind_ack", "alter_context_resp"):
            fragment = self.int("fragment", 5840)
            body += struct.pack("<HH", fragment, fragment)
            group = self.value("group", "any")
            known = group.startswith("$") and group in self.variables
            body += struct.pack("<L", self.variables[group]) if known else [ANY] * 4
            address = str(port).encode() + b"\0" if self.kind == "bind_ack" else b""
            body += struct.pack("<H", len(address)) + address
            body += [ANY] * (-len(body) % 4)
            results = [word for word in self.bare if "(" in word]
            body += [len(results), ANY, ANY, ANY]
            for result in results:
                body += self.result(result)
        elif self.kind == "bind_nak":
            body += struct.pack("<HBBB", REASONS[self.value("reason")], 1, 5, 0) + b"\0\0\0"
            body[5:] = [ANY] * 3
        elif self.kind == "fault":
            status = self.value("status")
            status = STATUSES[status] if status in STATUSES else number(status)
            # alloc_hint: [MS-RPCE] 2.2.2.8 gives it a meaning only together with extended error information.
            body += [ANY] * 4 + list(struct.pack("<HBBLL", self.int("context"), 0, 0, status, 0))
        elif self.kind == "response":
            stub = pattern(self.value("stub", ""))
            hint = self.int("hint", len(stub))
            body += struct.pack("<LHBB", hint, self.int("context"), self.int("cancels"), 0)
            body += stub
        return list(self.header(0, 0)) + body

    @staticmethod
    def result(text: str) -> bytes:
        match = re.fullmatch(r"(\w+)\((.*)\)", text)
        if match[1] == "accepted":
            return struct.pack("<HH", 0, 0) + syntax(match[2], False)
        if match[1] == "rejected":
            return struct.pack("<HH", 2, REJECTIONS[match[2]]) + bytes(20)
        return struct.pack("<HH", 3, number(match[2])) + bytes(20)


def difference(expected: list, received: bytes) -> str | None:
    """Where octets depart from a pattern, or nothing. The header's lengths are compared by their effect."""
    for at, octet in enumerate(expected):
        if at in (8, 9, 10, 11):
            continue
        if at >= len(received) or (octet is not ANY and received[at] != octet):
            return f"octet {at} is {received[at : at + 1].hex() or 'missing'}, not {octet:02x}"
    if len(received) > len(expected):
        return f"{len(received) - len(expected)} octets too many"
    return None


def describe(received: bytes | None) -> str:
    """A received PDU in a few words."""
    if received is None:
        return "closed"
    kind = NAMES.get(received[2], str(received[2]))
    call = struct.unpack("<L", received[12:16])[0]
    text = f"{kind} call={call} flags=0x{received[3]:02x}"
    if kind == "fault":
        context, status = struct.unpack("<H2xL", received[20:28])
        names = {value: name for name, value in STATUSES.items()}
        text += f" context={context} status={names.get(status, hex(status))}"
    elif kind == "bind_nak":
        reason = struct.unpack("<H", received[16:18])[0]
        text += f" reason={ {value: name for name, value in REASONS.items()}.get(reason, reason)}"
    elif kind == "response":
        text += f" stub={received[24:].hex()}"
    elif kind in ("bind_ack", "alter_context_resp"):
        text += f" body={received[16:].hex()}"
    return text
