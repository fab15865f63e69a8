"""The C library's memory allocator, told when to keep what is freed."""

from __future__ import annotations

import ctypes
import platform

# From glibc's malloc.h: mallopt's parameters, and the largest value it takes.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_LARGEST = 2**31 - 1
_TOP_PAD_BYTES = 64 << 20


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next allocation; False where the C library is not glibc.

    glibc hands large blocks back to the system as soon as they are freed, and each step of a training takes the
    same ones anew: the system clears every page again. Memory is returned at the end, or by
    `give_back_freed_memory`. A small result that is kept after each large one makes the peak grow: it is cut out of
    the place that the next large one would have had.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {_M_MMAP_THRESHOLD: 1 << 30, _M_TRIM_THRESHOLD: _LARGEST, _M_TOP_PAD: _TOP_PAD_BYTES}
    return all([mallopt(parameter, value) == 1 for parameter, value in settings.items()])


def give_back_freed_memory() -> None:
    """Hand to the system what is kept: after a task, as the next may need other sizes and would take them beside it."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
