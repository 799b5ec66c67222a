#!/usr/bin/python3
"""Prints logon-information.json: KERB_VALIDATION_INFO as python3-samba marshals it."""

import json

from samba.dcerpc import krb5pac, lsa, netlogon, samr, security
from samba.ndr import ndr_pack


def membership(rid, attributes=7):
    group = samr.RidWithAttribute()
    group.rid, group.attributes = rid, attributes
    return group


def memberships(*groups):
    array = samr.RidWithAttributeArray()
    array.rids, array.count = list(groups), len(groups)
    return array


def extra(sid, attributes=7):
    entry = netlogon.netr_SidAttr()
    entry.sid, entry.attributes = security.dom_sid(sid), attributes
    return entry


def text(value):
    string = lsa.String()
    string.string = value
    return string


def information(*, user, domain, rid, sid, groups, extras=(), resources=None, others=True):
    info = krb5pac.PAC_LOGON_INFO()
    base = info.info3.base
    base.account_name = text(user)
    if others:
        base.full_name = text("Alice of the Tests")
        base.logon_script = text("run")
        base.home_drive = text("H:")
    base.logon_server = lsa.StringLarge()
    base.logon_server.string = "DC1"
    base.logon_domain = lsa.StringLarge()
    base.logon_domain.string = domain
    base.rid, base.primary_gid = rid, 513
    base.domain_sid = security.dom_sid(sid)
    base.groups = memberships(*groups)
    info.info3.sids = list(extras)
    info.info3.sidcount = len(extras)
    if resources:
        info.resource_groups.domain_sid = security.dom_sid(resources[0])
        info.resource_groups.groups = memberships(*resources[1])
    container = krb5pac.PAC_LOGON_INFO_CTR()
    container.info = info
    body = ndr_pack(container)
    body += bytes(-len(body) % 8)
    # The headers of type serialization version 1 ([MS-RPCE] 2.2.6), which belong to the PAC's buffer and not to this type.
    header = bytes.fromhex("01100800cccccccc") + len(body).to_bytes(4, "little") + bytes.fromhex("cccccccc")
    return (header + body).hex()


print(
    json.dumps(
        {
            "plain": information(user="alice", domain="LAB", rid=1105, sid="S-1-5-21-1-2-3", groups=[membership(513)]),
            "everything": information(
                user="alice",
                domain="LAB",
                rid=1105,
                sid="S-1-5-21-1-2-4294967295",
                groups=[membership(513), membership(1200), membership(1201, 0x10)],
                extras=[extra("S-1-5-21-9-8-7-1001"), extra("S-1-18-1"), extra("S-1-5-21-9-8-7-1002", 3)],
                resources=("S-1-5-21-4-5-6", [membership(1300, 0x20000007), membership(1301, 0)]),
            ),
            "bare": information(user="b", domain="", rid=1, sid="S-1-5-21-1-2-3", groups=[], others=False),
        },
        indent=2,
    )
)
