"""Settings of the C library's memory allocator: when it keeps freed memory."""

from __future__ import annotations

import ctypes
import platform

# From glibc's malloc.h: mallopt's parameters, and the largest value it takes.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_LARGEST = 2**31 - 1
_TOP_PAD_BYTES = 64 << 20


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next allocation; return False if the C library is not glibc.

    glibc returns large blocks to the system as soon as they are freed, and each training step allocates the same
    blocks again: the system clears every page again. Memory is returned when the process ends, or by
    `release_freed_memory`. A small result that is kept after each large one makes the peak grow: it is cut out of
    the block that the next large one would have reused.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {_M_MMAP_THRESHOLD: 1 << 30, _M_TRIM_THRESHOLD: _LARGEST, _M_TOP_PAD: _TOP_PAD_BYTES}
    return all([mallopt(parameter, value) == 1 for parameter, value in settings.items()])


def release_freed_memory() -> None:
    """Return kept memory to the system: the next task may need other sizes, and would allocate them in addition."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
