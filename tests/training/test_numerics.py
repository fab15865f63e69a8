from __future__ import annotations

import bz2
import gzip
import lzma
import os
import platform
import subprocess
import sys

import pytest
import torch

from nas.errors import UsageError
from nas.evaluate.compressors import compressor_bpb
from nas.system.machine import available_cores, describe_machine
from nas.training.allocator import keep_freed_memory, release_freed_memory
from nas.training.numerics import Numerics, plan_numerics


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx2": True}, "float32"),
        ({"avx512_bf16": True}, "bfloat16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bfloat16"),
        (None, "float32"),
    ],
)
def test_a_cpu_with_bfloat16_products_trains_in_bfloat16(
    capabilities: dict[str, bool] | None, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if capabilities is None:  # an older PyTorch cannot tell
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    version = torch.__version__.partition("+")[0]
    assert plan_numerics("cpu", threads=3) == Numerics(device="cpu", dtype=dtype, threads=3, torch=version)


def test_auto_is_the_gpu_where_there_is_one() -> None:
    assert plan_numerics("auto", 1).device == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("device", ["gpu", "CPU", "", "mps", "tpu:0"])
def test_an_unknown_device_is_refused(device: str) -> None:
    with pytest.raises(UsageError, match=rf"'{device}' .*auto, cpu, cuda, cuda:N"):
        plan_numerics(device, 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(UsageError, match=r"no CUDA device; .*--device cpu"):
        plan_numerics(device, 1)


def test_numerics_set_the_threads_of_torch() -> None:
    before = torch.get_num_threads()
    try:
        plan_numerics("cpu", before + 1).apply()
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_a_machine_has_cores_and_a_processor() -> None:
    machine = describe_machine()
    assert machine["cores"] == available_cores() >= 1
    assert machine["system"]
    assert machine["processor"]


def test_compressors_give_eight_times_their_ratio() -> None:
    text = b"def f(self):\n    return self.x\n" * 200
    sizes = {"gzip": gzip, "bzip2": bz2, "xz": lzma}
    bpb = compressor_bpb(text)
    assert bpb.keys() == sizes.keys()
    for name, module in sizes.items():
        assert bpb[name] < 1
        assert bpb[name] == pytest.approx(8 * len(module.compress(text)) / len(text), rel=0.1)


def test_compressors_cannot_shrink_noise() -> None:
    noise = bytes(torch.randint(0, 256, (20_000,), generator=torch.Generator().manual_seed(0)).tolist())
    assert all(8 <= bpb < 8.2 for bpb in compressor_bpb(noise).values())


def test_a_resumed_study_keeps_its_precision_and_threads() -> None:
    planned = plan_numerics("cpu", 4)
    resumed = planned.resumed_from({"dtype": "float32", "threads": 2, "torch": "2.0.0", "device": "cuda"})
    assert resumed == planned.model_copy(update={"dtype": "float32", "threads": 2})


WITHOUT_COMPILER = """
from nas.errors import UsageError
from nas.training.numerics import plan_numerics
try:
    plan_numerics("cpu", 1, compiled=True)
except UsageError as error:
    print(error)
"""


def test_compiling_without_a_compiler_is_one_line() -> None:
    environment = {**os.environ, "CXX": "/no/such/compiler"}
    ran = subprocess.run([sys.executable, "-c", WITHOUT_COMPILER], env=environment, capture_output=True, text=True)
    assert ran.stdout.startswith("--compile needs a C++ compiler")
    assert ran.stdout.count("\n") == 1


GLIBC_FAULTS = """
import resource, sys
import torch
from nas.training.allocator import release_freed_memory, keep_freed_memory
assert keep_freed_memory() if sys.argv[1] != "the default" else True
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(40 << 20, dtype=torch.uint8)
        if sys.argv[1] == "released":
            release_freed_memory()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
for _ in range(3):
    faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_freed_memory_is_reused_without_a_page_fault() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", GLIBC_FAULTS, how], capture_output=True, check=True).stdout)
        for how in ("kept", "the default", "released")
    }
    assert faults["kept"] < 100 < faults["the default"]
    assert faults["released"] > 100


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert keep_freed_memory() is False
    release_freed_memory()
