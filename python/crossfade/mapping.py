"""Files in memory: whole, read-only, and without a descriptor for each.

Python's own mmap keeps a duplicate of the file's descriptor for as long as the mapping is there (until 3.13, which can
be told not to). A store maps some ten files a segment: with a hundred segments it would hold a thousand descriptors,
which is all that many systems give a process, and the service would have none left for its callers. The system itself
needs none: a mapping stays when its file is closed, renamed or deleted. To raise the process's limit instead would
change what is not ours, in a program that embeds the store, and only as far as whoever runs it allows.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import DataError
from crossfade.files import unreadable

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
)
_LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_LIBC.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_FAILED = ctypes.c_void_p(-1).value


class Mapping:
    """A mapped file. Every array of it, and every view of one, holds it; it goes with the last of them."""

    __slots__ = ("__array_interface__", "__weakref__")

    def __init__(self, descriptor: int, size: int) -> None:
        """Raises OSError. `size`: bytes, more than none, and no more than the file has."""
        address = _LIBC.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
        if address == _FAILED:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        # Not at exit: threads that the interpreter does not wait for may still read, and the system unmaps it anyway.
        weakref.finalize(self, _LIBC.munmap, address, size).atexit = False
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "shape": (size,),
            "typestr": "|u1",
            "data": (address, True),
        }


def map_file(path: Path, *, scattered: bool = False) -> NDArray[np.uint8]:
    """The bytes of a file, read-only, shape (bytes,). What is not read takes no memory.

    The file must not be cut short meanwhile; to delete it, or to rename another over it, is no change. `scattered`:
    rows here and there will be read: their neighbours need not be brought from the disk with them.

    Raises DataError for a file that cannot be read, StoreError where the process has no descriptors or memory left.
    """
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                return np.empty(0, dtype=np.uint8)
            array = np.asarray(Mapping(file.fileno(), size))
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except OSError as error:
        raise unreadable(path, error) from None
    if scattered:
        _LIBC.madvise(array.ctypes.data, size, mmap.MADV_RANDOM)
    return array


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array, or what it is a view of, is a mapped file."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return isinstance(base, Mapping | mmap.mmap)
