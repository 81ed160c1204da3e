"""A thread for which every disk is read-only, as a file system is that met an error: what others write is written.

A filter of system calls (seccomp) does it: it holds for the thread that sets it and for those that it starts, for good,
and refuses with EROFS what such a file system refuses. It needs no rights.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

AVAILABLE = platform.system() == "Linux" and platform.machine() == "x86_64"
# Of x86-64: pwrite64, ftruncate, rename, mkdir, rmdir, unlink, mkdirat, unlinkat, renameat, renameat2, fallocate. To
# bring what is written already to the disk is not refused.
_REFUSED = (18, 77, 82, 83, 84, 87, 258, 263, 264, 316, 285)
_OPENAT, _OPEN = 257, 2
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000 | errno.EROFS
_NUMBER, _SECOND, _THIRD = 0, 24, 32  # of struct seccomp_data: the call, and the low halves of arguments
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2


def _program() -> bytes:
    def step(code: int, then: int, otherwise: int, value: int) -> bytes:
        return struct.pack("HBBI", code, then, otherwise, value)

    steps = [step(_LOAD, 0, 0, _NUMBER)]
    for number in _REFUSED:
        steps += [step(_EQUAL, 0, 1, number), step(_RETURN, 0, 0, _ERRNO)]
    for number, flags in ((_OPENAT, _THIRD), (_OPEN, _SECOND)):
        steps += [
            step(_EQUAL, 0, 4, number),
            step(_LOAD, 0, 0, flags),
            step(_ANY_BIT, 0, 1, _WRITING),
            step(_RETURN, 0, 0, _ERRNO),
            step(_RETURN, 0, 0, _ALLOW),
        ]
    return b"".join([*steps, step(_RETURN, 0, 0, _ALLOW)])


def _set() -> None:
    program = ctypes.create_string_buffer(_program())
    libc = ctypes.CDLL(None, use_errno=True)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))

    given = Program(len(program.raw) // 8, ctypes.addressof(program))
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0), (_SECCOMP, _FILTER, ctypes.byref(given))):
        if libc.prctl(*arguments, 0, 0):
            raise OSError(ctypes.get_errno(), "no filter of system calls can be set")


def on_a_read_only_disk(work: Callable[[], T]) -> T:
    """What `work` returns or raises, where nothing can be written. Raises OSError when there are no such filters."""
    answers: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            _set()
            answers.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return answers[0]
