"""The parts of benchmarks/ that its figures depend on: the peer's model and training, ratios, and tables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import corpus, engine, generation, gpu, memory, search_time, startup, table, training_step, workers
from benchmarks.llama import MAX_LOGIT_GAP, PeerSetting, PeerTraining, build_peer, logit_gap
from benchmarks.shapes import SHAPES, Shape
from benchmarks.timing import interleaved, peak_flops, ratio, spread
from nas.data.prepared import PreparedData
from nas.model import Decoder
from nas.training.numerics import plan_numerics
from nas.training.trainer import Trainer
from tests.helpers.tiny_models import random_tokens

ROOT = Path(__file__).parent.parent
TINY = Shape(num_layers=2, hidden_dim=32, vocab_size=256, batch_size=4, seq_length=16)
SCRIPTS = (training_step, memory, generation, search_time, workers, startup, engine, corpus, gpu)


@pytest.mark.parametrize("changes", [{}, {"num_kv_heads": 2}, {"tie_embeddings": True}, {"ffn_multiplier": 1.5}])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_peer_has_our_logits(changes: dict[str, Any], attention: str) -> None:
    model = Decoder(TINY.architecture.model_copy(update=changes), seed=3)
    peer = build_peer(model, attention=attention)
    assert peer.config._attn_implementation == attention
    assert peer.num_parameters() == model.config.num_params
    ids = torch.randint(256, (3, 16), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert (model(ids) - peer(input_ids=ids).logits).abs().max() < 1e-4


def test_a_peer_that_is_another_model_is_noticed() -> None:
    model = Decoder(TINY.architecture, seed=3)
    peer = build_peer(model)
    with torch.no_grad():
        peer.model.layers[1].self_attn.q_proj.weight[0] *= 2
    assert logit_gap(model, peer) > MAX_LOGIT_GAP


def test_an_architecture_that_llama_does_not_have_is_refused() -> None:
    with pytest.raises(AssertionError, match="layernorm"):
        build_peer(Decoder(TINY.architecture.model_copy(update={"normalization": "layernorm"})))


def test_the_peer_trains_as_we_do() -> None:
    tokens, recipe = random_tokens(2000), TINY.recipe(num_steps=12)
    numerics = plan_numerics("cpu", threads=1).model_copy(update={"dtype": "float32"})
    ours = Trainer(Decoder(TINY.architecture, seed=3), tokens, recipe, numerics)
    peer = PeerTraining(Decoder(TINY.architecture, seed=3), tokens, recipe, PeerSetting("fp32"))
    ours.advance(11), peer.advance(11)
    assert ours.advance(1) == pytest.approx(peer.advance(1), abs=1e-3)
    weights = peer.peer.state_dict()["model.norm.weight"]
    torch.testing.assert_close(weights, ours.model.norm.weight.detach(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("precision", "dtype"), [("autocast", torch.float32), ("bf16", torch.bfloat16)])
def test_the_peer_trains_in_half_precision(precision: str, dtype: torch.dtype) -> None:
    training = PeerTraining(Decoder(TINY.architecture), random_tokens(2000), TINY.recipe(12), PeerSetting(precision))
    assert {parameter.dtype for parameter in training.peer.parameters()} == {dtype}
    first = training.advance(1)
    assert training.advance(11) < first


def test_the_shapes_are_small_medium_and_wide() -> None:
    assert [shape.name for shape in SHAPES.values()] == [
        "L2 H128 V4096 B16 T128",
        "L4 H256 V4096 B16 T256",
        "L4 H256 V50257 B8 T256",
    ]


def test_ratios_are_those_of_each_round() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0}
    # The medians, 20 over 4, would say 5.
    assert ratio([10.0, 20.0, 60.0], [5.0, 4.0, 3.0]) == {"median": 5.0, "min": 2.0, "max": 20.0}
    assert ratio([10.0, 20.0, 60.0], [1.0, 10.0, 15.0]) == {"median": 4.0, "min": 2.0, "max": 10.0}


def test_contenders_take_turns_and_each_begins_a_round() -> None:
    order: list[str] = []
    seconds = interleaved({name: lambda name=name: order.append(name) for name in "abc"}, rounds=2, warmups=1)
    assert "".join(order) == "cab" + "abc" + "bca"
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2, "c": 2}


def test_the_peak_is_the_rate_of_the_median_product() -> None:
    flops = 4 * 2 * 2048 * 1024 * 1024
    assert peak_flops({"product bf16": [0.1, 0.4, 0.2]}, "bf16") == pytest.approx(flops / 0.2)


def test_one_worker_ends_as_many_trials_as_it_has_time_for() -> None:
    assert workers.trials_per_hour([(0, 10), (10, 30), (30, 60)], workers=1) == pytest.approx(3 * 3600 / 60)


def test_the_end_of_a_search_with_an_idle_worker_does_not_count() -> None:
    # The second worker is idle from 30 s on; by then a quarter of the trial that ends at 60 s is done.
    spans = [(0.0, 20.0), (0.0, 30.0), (20.0, 60.0)]
    assert workers.trials_per_hour(spans, workers=2) == pytest.approx(2.25 * 3600 / 30)


def test_the_parts_of_a_search_add_up_and_name_the_worst_vocabulary() -> None:
    folder = ROOT / "trials/reference/base"
    study = search_time.read_study(folder / "study.json")
    result = search_time.search_time(study, search_time.read_trials(folder / "trials.jsonl"))
    assert sum(result["parts"].values()) == pytest.approx(2 * study.measured["search"])
    assert min(result["parts"].values()) > 0
    assert sum(entry["trials"] for entry in result["vocabularies"]) == study.budget


def hand_made() -> dict[str, dict[str, Any]]:
    """Return a small result of three scripts."""
    header = {
        "command": "python -m benchmarks.x",
        "date": "2026-01-02T03:04:05+00:00",
        "machine": {"system": "Linux x86_64", "processor": "An Abacus", "cores": 2},
        "versions": {"python": "3.11", "torch": "2.13", "transformers": "5.24"},
    }

    def contender(name: str, seconds: float, times: float, loss: float, *, compiled: bool = False) -> dict[str, Any]:
        return {
            "name": name,
            "compiled": compiled,
            "loss": loss,
            "trains_as_well": loss <= 5.025,
            "seconds": spread([seconds]),
            "times_ours": spread([times]),
            "times_ours_compiled": spread([seconds / 0.08]),
            "tokens_per_second": 100 / seconds,
            "peak_share": 0.5,
        }

    case = {
        "shape": "L1",
        "threads": 2,
        "peak_flops": {"fp32": 1e11, "bf16": 2e11},
        "peer_fp32_loss": 5.0,
        "contenders": [
            contender("ours", 0.1, 1, 5.01),
            contender("ours, compiled", 0.08, 0.8, 5.01, compiled=True),
            contender("fp32", 0.4, 4, 5.0),
            contender("autocast", 0.3, 3, 5.0),
            contender("bf16", 0.2, 2, 6.0),
            contender("autocast, compiled", 0.15, 1.5, 5.0, compiled=True),
        ],
    }
    peaks = [("ours", 1e9), ("fp32", 2.5e9)]
    memory = [{"name": name, "imported_bytes": 3e8, "peak_bytes": peak} for name, peak in peaks]
    return {
        "training_step": header | {"rounds": 1, "quality_steps": 50, "cases": [case]},
        "memory": header | {"shape": "L1", "steps": 3, "threads": 2, "contenders": memory},
        "gpu": header | {"rounds": 1, "steps": 10, "cases": [case | {"num_params": 2e6, "peak_flops": 4e14}]},
    }


def test_tables_say_what_the_results_say() -> None:
    made = hand_made()
    steps = table.tables("training_step", made["training_step"])
    assert "`python -m benchmarks.x`: An Abacus, 2 cores, no GPU, Linux x86_64; python 3.11, torch 2.13" in steps
    # Weights in bf16 are faster still, but do not train as well.
    row = (
        "| L1 | 2 | 100 (100-100) | autocast: 300 (300-300) | **3.00 (3.00-3.00)** "
        "| 80 (80-80) | 150 (150-150) | **1.88 (1.88-1.88)** |"
    )
    assert f"{row} 50% | +0.20% |" in steps
    assert "| L1 | 2 | bf16 | 200 (200-200) | 500 | 50% | 6.0000 | no | 2.00 (2.00-2.00) |" in steps
    assert "| L1 | 2 | 100 | 200 |" in steps
    assert "| fp32 | 0.30 | 2.50 | 2.50 |" in table.tables("memory", made["memory"])
    row = "| L1 | 2.00M | fp32 | 400 (400-400) | 4.00 (4.00-4.00) | 250 | 50.0% of 400 TFLOP/s |"
    assert row in table.tables("gpu", made["gpu"])


def test_the_page_is_made_from_the_files_that_are_there(tmp_path: Path) -> None:
    assert table.page(tmp_path) == "No results yet."
    for name, result in hand_made().items():
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    page = tmp_path / "README.md"
    page.write_text("By hand.\n\n<!-- tables -->\n<!-- /tables -->\n")
    assert table.main(["--out", str(tmp_path), "--page", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("By hand.\n\n<!-- tables -->\n### training_step\n")
    assert text.index("### training_step") < text.index("### memory") < text.index("<!-- /tables -->")


def test_the_tables_of_the_readme_are_those_of_the_results() -> None:
    text = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- tables -->\n(.*)\n<!-- /tables -->", text, flags=re.DOTALL)
    assert found and found[1] == table.page(), "run: python -m benchmarks.table"


def test_make_bench_runs_every_script() -> None:
    names = [script.__name__.removeprefix("benchmarks.") for script in SCRIPTS]
    assert list(table.TABLES) == names
    found = re.search(r"^BENCHMARKS := (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert found and found[1].split() == names
    text = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    assert all(f"`benchmarks.{name}`" in text for name in names)


def test_anonymous_memory_is_what_a_process_takes_and_not_what_it_maps(tmp_path: Path) -> None:
    def peak(code: str) -> float:
        return corpus.measure_process(tmp_path, f"import mmap, sys, time\n{code}\ntime.sleep(0.3)")["anonymous_bytes"]

    (tmp_path / "file").write_bytes(b"x" * 100_000_000)
    path = str(tmp_path / "file")
    mapped = f"opened = open({path!r}, 'r+b')\nfile = mmap.mmap(opened.fileno(), 0)\nsum(file[::4096])"
    nothing = peak("")
    assert 95e6 < peak("held = b'x' * 100_000_000") - nothing < 120e6
    assert peak(mapped) - nothing < 20e6


def test_the_large_text_is_lines_of_the_corpus(tmp_path: Path, data: PreparedData) -> None:
    corpus.write_large(tmp_path / "large.txt", data, 3_000_000)
    text = (tmp_path / "large.txt").read_text(encoding="utf-8")
    assert 3_000_000 <= len(text) < 4_000_000
    assert set(text.splitlines()) <= {line for text in data.documents("train") for line in text.split("\n")}
