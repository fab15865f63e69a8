"""The C library's memory allocator, told to keep what is freed."""

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
    same ones anew: the system clears every page again. The peak stays what it is; memory is returned at the end only.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {_M_MMAP_THRESHOLD: 1 << 30, _M_TRIM_THRESHOLD: _LARGEST, _M_TOP_PAD: _TOP_PAD_BYTES}
    return all([mallopt(parameter, value) == 1 for parameter, value in settings.items()])
