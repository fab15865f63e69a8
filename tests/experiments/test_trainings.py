from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest

from experiments.scoring import BLOCK_BYTES, COMPLETION_BYTES, DECODINGS_STUDIED, NUM_PROMPTS, block_bits
from experiments.trainings import Trained, Trainings, Wanted, read_trained, train_and_score
from nas.architecture.config import ArchitectureConfig
from nas.data.prepared import PreparedData
from nas.errors import StudyError, StudyMismatch
from nas.inference.bits_per_byte import measure_likelihood
from nas.model import Decoder
from nas.space.search_space import Candidate
from nas.space.sections import TrainingSection
from nas.training.numerics import plan_numerics

NUMERICS = plan_numerics("cpu", threads=1)


def wanted(seed: int = 0, num_steps: int = 3, **options: object) -> Wanted:
    architecture = ArchitectureConfig(
        num_layers=1, hidden_dim=16, num_heads=1, ffn_multiplier=2.0, vocab_size=256, max_seq_length=256
    )
    flops = num_steps * architecture.train_flops_per_token() * 256
    training = TrainingSection(trial_flops=flops, max_seq_length=256, batch_tokens=256)
    return Wanted(Candidate(architecture, "bytes", 1.0), training, seed, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def judged(data: PreparedData) -> Trained:
    return train_and_score(wanted(generates=True), data, NUMERICS)


def test_the_blocks_hold_every_bit_of_validation_once(data: PreparedData) -> None:
    model = Decoder(wanted().candidate.architecture, seed=0)
    vocabulary = data.vocabulary("bytes")
    tokens = vocabulary.encode_documents(data.documents("validation"))
    found = block_bits(model, vocabulary, data)
    # A byte a token: the first block is the first BLOCK_BYTES tokens, which are whole windows of 256.
    first = measure_likelihood(model, tokens[:BLOCK_BYTES], 0, BLOCK_BYTES, 256)
    assert found[0] == pytest.approx(first.bpb * BLOCK_BYTES, rel=1e-6)
    whole = measure_likelihood(model, tokens, 0, len(tokens), 256)
    assert found.sum() == pytest.approx(whole.bpb * len(tokens), rel=1e-6)
    assert len(found) == math.ceil(len(tokens) / BLOCK_BYTES)


def test_a_training_is_judged_on_all_of_validation_and_on_every_prompt(data: PreparedData, judged: Trained) -> None:
    assert judged.num_steps == 3
    num_bytes = data.manifest["splits"]["validation"]["bytes"]
    assert judged.val_bpb == pytest.approx(sum(judged.block_bits) / num_bytes, rel=1e-4)
    assert judged.collapsed.keys() == DECODINGS_STUDIED.keys()
    for by_length in judged.collapsed.values():
        assert tuple(by_length) == COMPLETION_BYTES
        assert all(len(digits) == NUM_PROMPTS and set(digits) <= {"0", "1"} for digits in by_length.values())
    assert judged.collapse_rate("greedy", 200) == judged.collapsed["greedy"][200].count("1") / NUM_PROMPTS


def test_a_line_reads_back_as_it_was(judged: Trained) -> None:
    line = judged.model_dump_json()
    assert Trained.model_validate_json(line) == judged
    diverged = judged.model_copy(update={"val_bpb": math.inf})
    json.loads(diverged.model_dump_json(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert Trained.model_validate_json(diverged.model_dump_json()).val_bpb == math.inf


def test_a_rate_too_high_is_infinitely_bad(data: PreparedData) -> None:
    found = train_and_score(wanted(learning_rate=1e30, num_steps=12), data, NUMERICS)
    assert found.val_bpb == math.inf
    assert found.learning_rate == 1e30


def test_each_training_is_done_once_and_a_torn_line_again(data: PreparedData, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    plan = [wanted(seed) for seed in range(3)]
    first = Trainings(path, data, NUMERICS, "command")
    assert not first.run(plan, num_workers=1, deadline=time.monotonic())
    assert not path.exists()
    assert first.run(plan, num_workers=2, deadline=math.inf)
    lines = path.read_text().splitlines()
    assert sorted(json.loads(line)["seed"] for line in lines) == [0, 1, 2]
    before = {one.key: one.val_bpb for one in read_trained(path)}

    path.write_text("\n".join(lines[:2]) + "\n" + lines[2][:40])
    again = Trainings(path, data, NUMERICS, "command")
    assert len(again.done) == 2
    assert again.run(plan, num_workers=1, deadline=math.inf)
    assert {one.key: one.val_bpb for one in read_trained(path)} == before
    assert again.run(plan, num_workers=1, deadline=time.monotonic())
    assert again.of(plan[0]).seed == 0


def test_a_damaged_line_is_named(tmp_path: Path, judged: Trained) -> None:
    path = tmp_path / "data.jsonl"
    good = judged.model_dump_json() + "\n"
    for lines, number in (("{}\n" + good, 1), (good + '{"key": "of another version"}\n', 2)):
        path.write_text(lines)
        with pytest.raises(StudyError, match=rf"data\.jsonl, line {number}"):
            read_trained(path)


def test_lines_of_other_settings_are_never_mixed(data: PreparedData, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    Trainings(path, data, NUMERICS, "command")
    Trainings(path, data, NUMERICS, "another command")
    with pytest.raises(StudyMismatch, match="threads: stored 1, asked 2"):
        Trainings(path, data, plan_numerics("cpu", threads=2), "command")


def test_the_key_tells_apart_what_decides_a_training() -> None:
    plan = wanted()
    others = [wanted(seed=1), wanted(num_steps=30), wanted(learning_rate=0.5)]
    assert len({one.key for one in (plan, *others)}) == 4
    assert np.isclose(wanted(learning_rate=0.5).recipe.learning_rate, 0.5)


def test_a_model_that_was_kept_is_judged_again_without_training(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train_and_score(wanted(), data, NUMERICS, tmp_path)
    assert first.train_seconds is not None
    monkeypatch.setattr("experiments.trainings.train_model", lambda *given, **named: pytest.fail("trained again"))
    again = train_and_score(wanted(), data, NUMERICS, tmp_path)
    assert again == first.model_copy(update={"train_seconds": None})
