"""Where and in which precision a model computes: a pure function of device and threads, stored with every study."""

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
    """All that decides the last bits of a result, beside code and seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    """`cpu` or `cuda`."""
    dtype: Literal["float32", "bfloat16"]
    """`float32`, or `bfloat16`: losses and gradients of rounded weights, fp32 masters. Evaluation is always fp32."""
    threads: int
    """Of torch within one process; sums are split by it, so it moves the last bits."""
    compiled: bool = False
    """Whether `torch.compile` makes the kernels of a training step: seconds to minutes once, then faster steps."""
    torch: str
    """The version of torch, without its build tag."""

    @property
    def training_dtype(self) -> Dtype:
        return _DTYPES[self.dtype]

    def kept(self, stored: Mapping[str, Any]) -> Numerics:
        """With the precision and threads that a study or run began with, so that it goes on as it began.

        bf16 is right on any processor, only slower where the hardware lacks it. Which of several GPUs it goes on with
        is no matter: `as_stored` leaves it out.
        """
        return Numerics.model_validate({**self.model_dump(), **{key: stored[key] for key in ("dtype", "threads")}})

    def as_stored(self) -> dict[str, Any]:
        """What decides a result, as a run writes it down."""
        return self.model_dump(mode="json") | {"device": self.device.partition(":")[0]}

    def apply(self) -> None:
        """Set this process up; call once, before the first computation."""
        torch.set_num_threads(self.threads)
        keep_freed_memory()
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False

    @contextmanager
    def repeatable(self) -> Iterator[None]:
        """Kernels that give the same bits each time, on the CPU; eager ones do anyhow.

        Without it compiled ones add an embedding's gradient up in the order in which threads come.
        """
        if not (self.compiled and self.device == "cpu"):
            yield
            return
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(False)


def plan_numerics(device: str, threads: int, *, compiled: bool = False, elsewhere: bool = False) -> Numerics:
    """`device` is auto, cpu, cuda or cuda:N; UsageError when it is not there, or nothing that `compiled` needs.

    Trainer is in bf16 where the device multiplies it in hardware, as it then does at twice the speed and more. A
    `cuda` that is `elsewhere` is not looked for here, and thought to do so.
    """
    kind = device.partition(":")[0]
    if kind not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown device '{device}' (allowed: auto, cpu, cuda, cuda:N)")
    here = torch.cuda.is_available()
    if kind == "cuda" and not (here or elsewhere):
        raise UsageError("device 'cuda' asked for, but this torch sees no CUDA device; use --device cpu or auto")
    if kind == "auto":
        device = "cuda" if here else "cpu"
    on_gpu = device.startswith("cuda")
    if compiled:
        _find_compiler()
    in_bf16 = (not here or torch.cuda.is_bf16_supported()) if on_gpu else _cpu_multiplies_bf16()
    return Numerics(
        device=device,
        dtype="bfloat16" if in_bf16 else "float32",
        threads=threads,
        compiled=compiled,
        torch=str(torch.__version__).partition("+")[0],
    )


def _cpu_multiplies_bf16() -> bool:
    """False too where this torch cannot say."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))


def _find_compiler() -> None:
    """UsageError where there is no C++ compiler: torch.compile would say so at the first step, in pages."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise UsageError(
            "--compile needs a C++ compiler, found none; install g++ or set CXX, or leave it out"
        ) from None
