"""Device and precision of a training: a pure function of device and threads, stored with every study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict

from nas.errors import UsageError
from nas.training.allocator import keep_freed_memory

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Dtype = torch.dtype  # within Numerics `torch` is the version


class Numerics(BaseModel):
    """Everything that decides the last bits of a result, apart from code and seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    """`cpu` or `cuda`."""
    dtype: Literal["float32", "bfloat16"]
    """`float32`, or `bfloat16` for losses and gradients with fp32 master weights. Evaluation is always fp32."""
    threads: int
    """Threads of torch within one process; sums are split by them, so they change the last bits."""
    compiled: bool = False
    """Whether `torch.compile` compiles the training step: seconds to minutes once, then faster steps."""
    torch: str
    """The version of torch, without its build tag."""

    @property
    def training_dtype(self) -> Dtype:
        return _DTYPES[self.dtype]

    def resumed_from(self, stored: Mapping[str, Any]) -> Numerics:
        """Return these numerics with the stored precision and threads of the study or run that is resumed.

        bf16 is correct on any processor, only slower where the hardware lacks it. The index of the GPU does not
        matter: `as_stored` leaves it out.
        """
        return Numerics.model_validate({**self.model_dump(), **{key: stored[key] for key in ("dtype", "threads")}})

    def as_stored(self) -> dict[str, Any]:
        """Return the fields as a study or run stores them."""
        return self.model_dump(mode="json") | {"device": self.device.partition(":")[0]}

    def apply(self) -> None:
        """Set up this process; call once, before the first computation."""
        torch.set_num_threads(self.threads)
        keep_freed_memory()
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False

    @contextmanager
    def deterministic(self) -> Iterator[None]:
        """Make compiled kernels on the CPU give the same bits each time; eager ones always do.

        Otherwise compiled kernels sum an embedding's gradient in the order in which threads finish.
        """
        if not (self.compiled and self.device == "cpu"):
            yield
            return
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(False)


def plan_numerics(device: str, threads: int, *, compiled: bool = False, remote_gpu: bool = False) -> Numerics:
    """Return the numerics for `device`: auto, cpu, cuda or cuda:N.

    Raise UsageError if the device, or the C++ compiler that `compiled` needs, is missing. Training is in bf16 where
    the device multiplies bf16 in hardware, at more than twice the speed. A `remote_gpu` is on another machine: it is
    not looked for here and assumed to have bf16.
    """
    kind = device.partition(":")[0]
    if kind not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown device '{device}' (allowed: auto, cpu, cuda, cuda:N)")
    has_gpu = torch.cuda.is_available()
    if kind == "cuda" and not (has_gpu or remote_gpu):
        raise UsageError("--device cuda: this PyTorch sees no CUDA device; use --device cpu or auto")
    if kind == "auto":
        device = "cuda" if has_gpu else "cpu"
    on_gpu = device.startswith("cuda")
    if compiled:
        _check_compiler()
    in_bf16 = (not has_gpu or torch.cuda.is_bf16_supported()) if on_gpu else _cpu_multiplies_bf16()
    return Numerics(
        device=device,
        dtype="bfloat16" if in_bf16 else "float32",
        threads=threads,
        compiled=compiled,
        torch=str(torch.__version__).partition("+")[0],
    )


def _cpu_multiplies_bf16() -> bool:
    """Return whether the processor has bf16 products; False if this PyTorch cannot tell."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))


def _check_compiler() -> None:
    """Raise UsageError without a C++ compiler: torch.compile would fail at the first step, with pages of text."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise UsageError(
            "--compile needs a C++ compiler and there is none; install g++, set CXX, or leave --compile out"
        ) from None
