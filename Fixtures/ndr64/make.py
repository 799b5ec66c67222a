#!/usr/bin/env python3
"""Packs values with Samba's marshalling, in NDR 2.0 and in NDR64, and prints what came out: vectors.txt.

Needs Samba's Python modules (Debian: python3-samba). Nothing of this project takes part in it.
"""
from samba.dcerpc import echo, epmapper, mgmt, misc, srvsvc
from samba.ndr import ndr_pack_in, ndr_pack_out


def syntax(uuid, version):
    result = misc.ndr_syntax_id()
    result.uuid, result.if_version = misc.GUID(uuid), version
    return result


def interfaces():
    call = mgmt.inq_if_ids()
    vector = mgmt.rpc_if_id_vector_t()
    ids = [
        syntax("afa8bd80-7d8a-11c9-bef4-08002b102989", 1), syntax("e1af8308-5d1f-11c9-91a4-08002b14a0fa", 3)]
    pointers = []
    for identifier in ids:
        pointer = mgmt.ndr_syntax_id_p()
        pointer.id = identifier
        pointers.append(pointer)
    vector.count, vector.if_id = len(pointers), pointers
    call.out_if_id_vector, call.result = vector, 0
    return call


def principal():
    call = mgmt.inq_princ_name()
    call.in_authn_proto, call.in_princ_name_size = 10, 64
    call.out_princ_name, call.result = "host/node", 0
    return call


def lookup():
    call = epmapper.epm_Lookup()
    call.in_inquiry_type = 1
    call.in_object = misc.GUID("11223344-5566-7788-99aa-bbccddeeff00")
    interface = epmapper.rpc_if_id_t()
    interface.uuid = misc.GUID("afa8bd80-7d8a-11c9-bef4-08002b102989")
    interface.vers_major, interface.vers_minor = 1, 2
    call.in_interface_id, call.in_vers_option = interface, 1
    handle = misc.policy_handle()
    handle.uuid = misc.GUID("00112233-4455-6677-8899-aabbccddeeff")
    call.in_entry_handle, call.in_max_ents = handle, 5
    return call


def enumerations(level):
    call = echo.TestEnum()
    call.in_foo1 = level
    pair = echo.Enum2()
    pair.e1, pair.e2 = 2, 1
    call.in_foo2 = pair
    call.in_foo3 = 2 if level == 1 else pair
    return call


def surrounding(count):
    call = echo.TestSurrounding()
    value = echo.Surrounding()
    value.x, value.surrounding = count, [0x1100 + index for index in range(count)]
    call.in_data = value
    return call


def info(level):
    call = echo.TestCall2()
    call.in_level = level
    value = getattr(echo, f"info{level}")()
    if level <= 4:
        value.v = (0x11, 0x2211, 0x44332211, 0x8877665544332211)[level - 1]
    else:
        value.v1 = 0x55
        if level == 5:
            value.v2 = 0x8877665544332211
        else:
            inner = echo.info1() if level == 6 else echo.info4()
            inner.v = 0x66
            setattr(value, "info1" if level == 6 else "info4", inner)
    call.out_info, call.result = value, 0
    return call


def shares():
    call = srvsvc.NetShareEnumAll()
    call.in_server_unc = "\\\\node"
    control, inner, rows = srvsvc.NetShareInfoCtr(), srvsvc.NetShareCtr1(), []
    for name, comment in (("ADMIN$", "Remote Admin"), ("c", None)):
        row = srvsvc.NetShareInfo1()
        row.name, row.type, row.comment = name, 0x80000000, comment
        rows.append(row)
    inner.count, inner.array = len(rows), rows
    control.level, control.ctr = 1, inner
    call.in_info_ctr, call.in_max_buffer, call.in_resume_handle = control, 0xFFFFFFFF, 7
    return call


def vectors():
    yield "inq_if_ids out", ndr_pack_out, interfaces()
    yield "inq_princ_name in", ndr_pack_in, principal()
    yield "inq_princ_name out", ndr_pack_out, principal()
    yield "ept_lookup in", ndr_pack_in, lookup()
    for level in (1, 2):
        yield f"enumerations {level}", ndr_pack_in, enumerations(level)
    for count in (0, 3):
        yield f"surrounding {count}", ndr_pack_in, surrounding(count)
    for level in range(1, 8):
        yield f"info {level}", ndr_pack_out, info(level)
    yield "shares", ndr_pack_in, shares()


if __name__ == "__main__":
    for name, pack, call in vectors():
        for label, wide in (("NDR 2.0", False), ("NDR64", True)):
            print(f"{name} | {label} | {pack(call, ndr64=wide).hex()}")
