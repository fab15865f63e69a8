from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest

from experiments.scoring import BLOCK_BYTES, COMPLETION_BYTES, DECODINGS_STUDIED, NUM_PROMPTS, block_bits
from experiments.trainings import TrainingResult, Trainings, TrainingSpec, read_trainings, train_and_score
from nas.architecture.config import ArchitectureConfig
from nas.data.prepared import PreparedData
from nas.errors import StudyError, StudyMismatch
from nas.inference.bits_per_byte import measure_likelihood
from nas.model import Decoder
from nas.space.search_space import Candidate
from nas.space.sections import TrainingSection
from nas.training.numerics import plan_numerics

NUMERICS = plan_numerics("cpu", threads=1)


def spec(seed: int = 0, num_steps: int = 3, **options: object) -> TrainingSpec:
    architecture = ArchitectureConfig(
        num_layers=1, hidden_dim=16, num_heads=1, ffn_multiplier=2.0, vocab_size=256, max_seq_length=256
    )
    flops = num_steps * architecture.train_flops_per_token() * 256
    training = TrainingSection(trial_flops=flops, max_seq_length=256, batch_tokens=256)
    return TrainingSpec(Candidate(architecture, "bytes", 1.0), training, seed, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def scored(data: PreparedData) -> TrainingResult:
    return train_and_score(spec(with_completions=True), data, NUMERICS)


def test_the_blocks_hold_every_bit_of_validation_once(data: PreparedData) -> None:
    model = Decoder(spec().candidate.architecture, seed=0)
    vocabulary = data.vocabulary("bytes")
    tokens = vocabulary.encode_documents(data.documents("validation"))
    blocks = block_bits(model, vocabulary, data)
    # A byte a token: the first block is the first BLOCK_BYTES tokens, which are whole windows of 256.
    first = measure_likelihood(model, tokens[:BLOCK_BYTES], 0, BLOCK_BYTES, 256)
    assert blocks[0] == pytest.approx(first.bpb * BLOCK_BYTES, rel=1e-6)
    whole = measure_likelihood(model, tokens, 0, len(tokens), 256)
    assert blocks.sum() == pytest.approx(whole.bpb * len(tokens), rel=1e-6)
    assert len(blocks) == math.ceil(len(tokens) / BLOCK_BYTES)


def test_a_training_is_scored_on_all_of_validation_and_on_every_prompt(
    data: PreparedData, scored: TrainingResult
) -> None:
    assert scored.num_steps == 3
    num_bytes = data.manifest["splits"]["validation"]["bytes"]
    assert scored.val_bpb == pytest.approx(sum(scored.block_bits) / num_bytes, rel=1e-4)
    assert scored.collapsed.keys() == DECODINGS_STUDIED.keys()
    for by_length in scored.collapsed.values():
        assert tuple(by_length) == COMPLETION_BYTES
        assert all(len(digits) == NUM_PROMPTS and set(digits) <= {"0", "1"} for digits in by_length.values())
    assert scored.collapse_rate("greedy", 200) == scored.collapsed["greedy"][200].count("1") / NUM_PROMPTS


def test_a_line_reads_back_as_it_was(scored: TrainingResult) -> None:
    line = scored.model_dump_json()
    assert TrainingResult.model_validate_json(line) == scored
    diverged = scored.model_copy(update={"val_bpb": math.inf})
    json.loads(diverged.model_dump_json(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert TrainingResult.model_validate_json(diverged.model_dump_json()).val_bpb == math.inf


def test_a_diverged_training_has_infinite_bits_per_byte(data: PreparedData) -> None:
    diverged = train_and_score(spec(learning_rate=1e30, num_steps=12), data, NUMERICS)
    assert diverged.val_bpb == math.inf
    assert diverged.learning_rate == 1e30


def test_each_training_is_done_once_and_a_torn_line_again(data: PreparedData, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    plan = [spec(seed) for seed in range(3)]
    first = Trainings(path, data, NUMERICS, "command", num_workers=2)
    assert not first.run(plan, deadline=time.monotonic())
    assert not path.exists()
    assert first.run(plan, deadline=math.inf)
    lines = path.read_text().splitlines()
    assert sorted(json.loads(line)["seed"] for line in lines) == [0, 1, 2]
    before = {key: result.val_bpb for key, result in read_trainings(path).items()}

    path.write_text("\n".join(lines[:2]) + "\n" + lines[2][:40])
    again = Trainings(path, data, NUMERICS, "command", num_workers=1)
    assert len(again.results) == 2
    assert again.run(plan, deadline=math.inf)
    assert {key: result.val_bpb for key, result in read_trainings(path).items()} == before
    assert again.run(plan, deadline=time.monotonic())
    assert again.results[plan[0].key].seed == 0


def test_a_damaged_line_is_named(tmp_path: Path, scored: TrainingResult) -> None:
    path = tmp_path / "data.jsonl"
    good = scored.model_dump_json() + "\n"
    for lines, number in (("{}\n" + good, 1), (good + '{"key": "of another version"}\n', 2)):
        path.write_text(lines)
        with pytest.raises(StudyError, match=rf"data\.jsonl, line {number}"):
            read_trainings(path)


def test_lines_of_other_settings_are_never_mixed(data: PreparedData, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    Trainings(path, data, NUMERICS, "command", 1)
    Trainings(path, data, NUMERICS, "another command", 1)
    with pytest.raises(StudyMismatch, match=r"threads: stored 1, .* 2"):
        Trainings(path, data, plan_numerics("cpu", threads=2), "command", 1)


def test_the_key_differs_for_different_trainings() -> None:
    plan = spec()
    others = [spec(seed=1), spec(num_steps=30), spec(learning_rate=0.5)]
    assert len({training.key for training in (plan, *others)}) == 4
    assert np.isclose(spec(learning_rate=0.5).recipe.learning_rate, 0.5)


def test_a_model_that_was_kept_is_scored_again_without_training(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train_and_score(spec(), data, NUMERICS, tmp_path)
    assert first.train_seconds is not None
    monkeypatch.setattr("experiments.trainings.train_model", lambda *arguments, **options: pytest.fail("trained again"))
    again = train_and_score(spec(), data, NUMERICS, tmp_path)
    assert again == first.model_copy(update={"train_seconds": None})
