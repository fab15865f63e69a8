"""Where and in which precision a model computes: a pure function of device and threads, stored with every study."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from pydantic import BaseModel, ConfigDict

from nas.errors import UsageError


class Numerics(BaseModel):
    """All that decides the last bits of a result, beside code and seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    """`cpu` or `cuda`."""
    dtype: str
    """`float32`, or `bfloat16`: training under autocast with fp32 weights. Evaluation is always fp32."""
    threads: int
    """Of torch within one process; sums are split by it, so it moves the last bits."""
    torch: str
    """The version of torch, without its build tag."""

    def autocast(self) -> AbstractContextManager[object]:
        if self.dtype == "bfloat16":
            return torch.autocast(self.device, dtype=torch.bfloat16)
        return nullcontext()

    def apply(self) -> None:
        """Set this process up; call once, before the first computation."""
        torch.set_num_threads(self.threads)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


def plan_numerics(device: str, threads: int) -> Numerics:
    """`device` is auto, cpu, cuda or cuda:N; UsageError when it is not there.

    CPU trains in fp32: at the sizes of a CPU search the casts of autocast cost more than bf16 products
    save. CUDA trains in bf16 where the device has it.
    """
    kind = device.partition(":")[0]
    if kind not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown device '{device}' (allowed: auto, cpu, cuda, cuda:N)")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError("device 'cuda' asked for, but this torch sees no CUDA device; use --device cpu or auto")
    if kind == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    on_gpu = device.startswith("cuda")
    return Numerics(
        device=device,
        dtype="bfloat16" if on_gpu and torch.cuda.is_bf16_supported() else "float32",
        threads=threads,
        torch=str(torch.__version__).partition("+")[0],
    )
