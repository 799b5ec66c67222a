"""A foreign judge of persistent reservations: libiscsi sends PERSISTENT RESERVE IN and decodes the answers itself."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util

import pytest

# enum iscsi_session_type and scsi_persistent_in_sa of libiscsi's headers
SESSION_NORMAL = 2
READ_KEYS, READ_RESERVATION = 0, 1


class ReadKeys(ctypes.Structure):
    _fields_ = [
        ("prgeneration", ctypes.c_uint32),
        ("additional_length", ctypes.c_uint32),
        ("num_keys", ctypes.c_int),
        ("keys", ctypes.c_uint64 * 64),
    ]


class ReadReservation(ctypes.Structure):
    _fields_ = [
        ("prgeneration", ctypes.c_uint32),
        ("additional_length", ctypes.c_uint32),
        ("reserved", ctypes.c_int),
        ("reservation_key", ctypes.c_uint64),
        ("pr_scope", ctypes.c_ubyte),
        ("pr_type", ctypes.c_ubyte),
    ]


def _library():
    name = ctypes.util.find_library("iscsi")
    if name is None:
        pytest.skip("libiscsi is not installed: apt-get install libiscsi-dev")
    library = ctypes.CDLL(name)
    library.iscsi_create_context.restype = ctypes.c_void_p
    library.iscsi_get_error.restype = ctypes.c_char_p
    library.iscsi_persistent_reserve_in_sync.restype = ctypes.c_void_p
    library.scsi_datain_unmarshall.restype = ctypes.c_void_p
    return library


@contextlib.contextmanager
def judge(portal: str, target: str, lun: int, name: str = "iqn.2024-05.net.example:judge"):
    """Yields a function that asks: it returns PRgeneration, the keys, and the reservation's key and type or None."""
    library = _library()
    context = ctypes.c_void_p(library.iscsi_create_context(name.encode()))

    def demand(code: int):
        assert code == 0, library.iscsi_get_error(context).decode()

    def ask(action: int, structure):
        task = ctypes.c_void_p(
            library.iscsi_persistent_reserve_in_sync(context, lun, action, ctypes.c_uint16(4096))
        )
        assert task, library.iscsi_get_error(context).decode()
        try:
            answer = library.scsi_datain_unmarshall(task)
            assert answer, "libiscsi cannot decode the answer"
            return structure.from_buffer_copy(ctypes.string_at(answer, ctypes.sizeof(structure)))
        finally:
            library.scsi_free_scsi_task(task)

    def look():
        keys = ask(READ_KEYS, ReadKeys)
        held = ask(READ_RESERVATION, ReadReservation)
        reservation = (held.reservation_key, held.pr_type) if held.reserved else None
        return keys.prgeneration, list(keys.keys[: keys.num_keys]), reservation

    try:
        demand(library.iscsi_set_targetname(context, target.encode()))
        demand(library.iscsi_set_session_type(context, SESSION_NORMAL))
        demand(library.iscsi_full_connect_sync(context, portal.encode(), lun))
        yield look
        library.iscsi_logout_sync(context)
    finally:
        library.iscsi_destroy_context(context)
