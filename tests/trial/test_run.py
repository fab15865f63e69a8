from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.data.prepared import PreparedData
from nas.errors import Diverged, UsageError
from nas.evaluate import metrics as metrics_module
from nas.evaluate.collapse import RULES
from nas.inference.bits_per_byte import measure_likelihood
from nas.model import Decoder
from nas.records.trial import TrialEnd, TrialRecord, completed, front
from nas.space.search_space import Candidate
from nas.training.recipe import learning_rate_rule
from nas.training.weights import load_weights
from nas.trial.run import TrialPaths, run_final, run_trial, trial_recipe
from tests.helpers.tiny_models import SEQ_LENGTH, tiny, trial_settings

CANDIDATE = Candidate(tiny(attention_dropout=0.1, residual_dropout=0.1), "bytes", 1.0)


def paths(folder: Path) -> TrialPaths:
    return TrialPaths(samples=folder / "samples" / "trial.jsonl")


@pytest.fixture(scope="module")
def ended(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrialRecord, TrialPaths]:
    where = paths(tmp_path_factory.mktemp("trial"))
    return run_trial(CANDIDATE, data, trial_settings(), where, number=4, reference="small"), where


def test_two_runs_with_one_seed_are_equal_except_for_measured_figures(
    data: PreparedData, ended: tuple[TrialRecord, TrialPaths], tmp_path: Path
) -> None:
    record, where = ended
    torch.manual_seed(7)
    again = run_trial(CANDIDATE, data, trial_settings(), paths(tmp_path), number=4, reference="small")
    assert again.reproducible() == record.reproducible()
    assert where.samples is not None
    assert where.samples.read_bytes() == (tmp_path / "samples" / "trial.jsonl").read_bytes()


def test_another_seed_is_another_trial(
    data: PreparedData, ended: tuple[TrialRecord, TrialPaths], tmp_path: Path
) -> None:
    other = run_trial(CANDIDATE, data, trial_settings(seed=1), paths(tmp_path), number=4, reference="small")
    assert other.seed == 1
    assert other.val_bpb != ended[0].val_bpb


def test_the_record_describes_the_trial_and_survives_a_round_trip(ended: tuple[TrialRecord, TrialPaths]) -> None:
    record = ended[0]
    assert (record.number, record.end, record.reason, record.reference) == (4, TrialEnd.COMPLETE, None, "small")
    assert (record.architecture, record.vocabulary) == (CANDIDATE.architecture, "bytes")
    assert record.learning_rate == learning_rate_rule(CANDIDATE.architecture)
    assert TrialRecord.model_validate_json(record.model_dump_json()) == record


def test_the_fitness_is_loss_plus_collapse(data: PreparedData, tmp_path: Path) -> None:
    settings = trial_settings(num_steps=20, collapse_weight=0.5)
    record = run_trial(CANDIDATE, data, settings, paths(tmp_path), number=0)
    assert record.validation is not None
    assert record.val_bpb == record.validation.bpb
    assert record.collapse_rate == record.validation.collapse_rate
    assert record.fitness == record.validation.bpb + 0.5 * record.validation.collapse_rate
    assert 2 < record.validation.bpb < 8  # 20 steps: better than uniform, far from good


@pytest.mark.parametrize(("vocabulary", "vocab_size"), [("bytes", 256), ("bpe-512", 512)])
def test_costs_by_hand(data: PreparedData, tmp_path: Path, vocabulary: str, vocab_size: int) -> None:
    architecture = tiny(vocab_size=vocab_size)
    record = run_trial(Candidate(architecture, vocabulary, 1.0), data, trial_settings(), paths(tmp_path), number=0)
    cost = record.cost
    assert cost is not None
    # One layer: 4 x 32 x 32 of attention and 2 x 32 x 64 of feed-forward; three norms of 32.
    matrices = 4 * 32 * 32 + 2 * 32 * 64
    assert cost.non_embedding_params == matrices + 3 * 32
    assert cost.num_params == cost.non_embedding_params + 2 * vocab_size * 32
    assert cost.train_flops_per_token == 3 * (2 * (matrices + vocab_size * 32) + 4 * 64 * 32)
    budget = 25 * tiny().train_flops_per_token() * 512
    assert cost.train_steps == budget // (cost.train_flops_per_token * 512)
    assert cost.train_tokens == cost.train_steps * 512
    assert cost.train_flops == cost.train_flops_per_token * cost.train_tokens <= budget
    bytes_per_token = data.manifest["splits"]["train"]["bytes"] / len(data.tokens(vocabulary, "train"))
    assert cost.train_bytes == pytest.approx(cost.train_tokens * bytes_per_token)


def test_the_curve_ends_where_training_ends(ended: tuple[TrialRecord, TrialPaths]) -> None:
    record = ended[0]
    assert record.cost is not None
    assert len(record.curve) == 20
    flops = [point.train_flops for point in record.curve]
    assert flops == sorted(set(flops))
    assert (flops[-1], record.curve[-1].train_bytes) == (record.cost.train_flops, record.cost.train_bytes)
    assert record.curve[-1].train_loss < record.curve[0].train_loss


def test_samples_have_one_object_per_completion(ended: tuple[TrialRecord, TrialPaths]) -> None:
    samples = ended[1].samples
    assert samples is not None
    lines = [json.loads(line) for line in samples.read_text(encoding="utf-8").split("\n")[:-1]]
    assert len(lines) == 2 * 6
    assert all(line.keys() == {"index", "prompt", "completion", "mode", "rule"} for line in lines)
    assert [(line["mode"], line["index"]) for line in lines] == [
        (mode, index) for mode in ("sampled", "greedy") for index in range(6)
    ]
    assert all(line["rule"] is None or line["rule"] in RULES for line in lines)


def test_samples_can_be_left_out(data: PreparedData, tmp_path: Path) -> None:
    run_trial(CANDIDATE, data, trial_settings(), TrialPaths(samples=None), number=0)
    assert [*tmp_path.iterdir()] == []


def test_measured_figures_are_those_of_this_run(ended: tuple[TrialRecord, TrialPaths]) -> None:
    measured = ended[0].measured
    assert measured is not None
    parts = measured.train_seconds + measured.evaluate_seconds + measured.generate_seconds
    assert 0 < parts <= measured.total_seconds < 60
    assert measured.train_tokens_per_second == pytest.approx(25 * 512 / measured.train_seconds)
    assert 50e6 < measured.peak_memory_bytes < 64e9
    assert measured.decode_ms_per_token > 0


@pytest.mark.parametrize("lr_multiplier", [1e30, 1e12])
def test_a_trial_that_diverges_is_pruned_with_its_reason(
    data: PreparedData, tmp_path: Path, lr_multiplier: float
) -> None:
    candidate = Candidate(CANDIDATE.architecture, "bytes", lr_multiplier)
    record = run_trial(candidate, data, trial_settings(), paths(tmp_path), number=3)
    assert record.end is TrialEnd.DIVERGED
    assert record.reason is not None
    assert "nan" in record.reason or "inf" in record.reason
    assert "\n" not in record.reason
    assert (record.number, record.architecture, record.lr_multiplier) == (3, candidate.architecture, lr_multiplier)
    assert (record.fitness, record.val_bpb, record.measured) == (None, None, None)
    assert list(tmp_path.iterdir()) == []
    assert TrialRecord.model_validate_json(record.model_dump_json()) == record


def test_weights_that_only_the_last_step_makes_infinite_prune_the_trial(data: PreparedData, tmp_path: Path) -> None:
    """The loss of that step is still finite: only the evaluation detects the weights."""
    settings = trial_settings(num_steps=1)
    record = run_trial(Candidate(tiny(), "bytes", 1e42), data, settings, paths(tmp_path), number=0)
    assert (record.end, record.fitness) == (TrialEnd.DIVERGED, None)
    assert record.reason is not None
    assert "nan" in record.reason


def test_an_error_that_is_not_caused_by_the_architecture_is_raised(data: PreparedData, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown vocabulary 'bpe-9999'"):
        run_trial(Candidate(tiny(), "bpe-9999", 1.0), data, trial_settings(), paths(tmp_path), number=0)


def test_the_flops_decide_the_number_of_steps() -> None:
    settings = trial_settings(num_steps=25)
    assert trial_recipe(CANDIDATE, settings).num_steps == 25
    wider = tiny(hidden_dim=64)
    expected = math.floor(settings.training.trial_flops / (wider.train_flops_per_token() * 512))
    assert trial_recipe(Candidate(wider, "bytes", 2.0), settings).num_steps == expected


def test_a_trial_is_evaluated_on_validation(
    data: PreparedData, ended: tuple[TrialRecord, TrialPaths], tmp_path: Path
) -> None:
    """A final training with the same seed is the same training, and its weights are saved."""
    run_final(CANDIDATE, data, trial_settings(), tmp_path / "w.safetensors")
    model = load_weights(tmp_path / "w.safetensors")
    tokens = data.vocabulary("bytes").encode_documents(data.evaluation_documents("validation", 4096))
    num_bytes = len(data.evaluation_bytes("validation", 4096))
    assert data.evaluation_bytes("validation", 4096) != data.evaluation_bytes("holdout", 4096)
    assert measure_likelihood(model, tokens, 0, num_bytes, SEQ_LENGTH).bpb == ended[0].val_bpb


def test_a_finalist_is_evaluated_on_the_holdout_with_the_saved_weights(
    data: PreparedData, ended: tuple[TrialRecord, TrialPaths], tmp_path: Path
) -> None:
    verdict = run_final(CANDIDATE, data, trial_settings(seed=7), tmp_path / "w.safetensors")
    model = load_weights(tmp_path / "w.safetensors")
    assert model.config == CANDIDATE.architecture
    tokens = data.vocabulary("bytes").encode_documents(data.evaluation_documents("holdout", 4096))
    num_bytes = len(data.evaluation_bytes("holdout", 4096))
    assert measure_likelihood(model, tokens, 0, num_bytes, SEQ_LENGTH).bpb == verdict.metrics.bpb
    assert verdict.metrics.num_bytes == num_bytes
    assert verdict.metrics.num_prompts == 6
    again = run_final(CANDIDATE, data, trial_settings(seed=7), tmp_path / "again.safetensors")
    assert (again.metrics, again.completions) == (verdict.metrics, verdict.completions)
    other = run_final(CANDIDATE, data, trial_settings(seed=8), tmp_path / "other.safetensors")
    assert other.metrics.bpb != verdict.metrics.bpb
    with pytest.raises(Diverged):
        run_final(Candidate(tiny(), "bytes", 1e30), data, trial_settings(), tmp_path / "none.safetensors")


def test_a_candidate_may_have_any_choice(data: PreparedData, tmp_path: Path) -> None:
    choices: list[dict[str, Any]] = [
        {"activation": "swiglu", "normalization": "layernorm", "position_encoding": "learned"},
        {"activation": "relu2", "position_encoding": "alibi", "num_kv_heads": 1, "tie_embeddings": True},
        {"activation": "geglu", "position_encoding": "sinusoidal", "qk_norm": True},
        {"activation": "silu", "position_encoding": "none", "num_layers": 2},
    ]
    for number, changes in enumerate(choices):
        record = run_trial(
            Candidate(tiny(**changes), "bytes", 1.0),
            data,
            trial_settings(),
            paths(tmp_path / str(number)),
            number=number,
        )
        assert record.is_complete
        assert record.cost is not None
        built = Decoder(record.architecture, seed=0)
        assert record.cost.num_params == sum(parameter.numel() for parameter in built.parameters())


def test_a_model_without_a_causal_mask_is_never_trained(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *given, is_causal, **named: whole(*given, **named)
    )
    monkeypatch.setattr("nas.trial.run.train_model", lambda *given, **named: pytest.fail("trained"))
    record = run_trial(CANDIDATE, data, trial_settings(), paths(tmp_path), number=0)
    assert (record.end, record.fitness) == (TrialEnd.LEAK, None)
    assert record.reason is not None
    assert "future tokens" in record.reason
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_too_good_for_its_size_is_not_ranked(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Eight uniform bits a byte are plausible; what 25 steps reach is made to look too good by moving the bounds.
    monkeypatch.setattr("nas.audit.plausibility.MIN_BPB", {1e5: 8.0, 1e6: 8.0})
    monkeypatch.setattr("nas.audit.plausibility.COMPRESSOR_SHARE", 10.0)
    record = run_trial(CANDIDATE, data, trial_settings(), paths(tmp_path), number=0)
    assert record.end is TrialEnd.LEAK
    assert record.reason is not None
    assert "plausibility" in record.reason


@pytest.mark.parametrize(
    ("write", "rule"),
    [
        (lambda prompt: "\n" * 40, "blank"),
        (lambda prompt: "", "blank"),  # nothing but an end of text
        (lambda prompt: "\n    # TODO: later\n", "blank"),
        (lambda prompt: f"\n{prompt}", "copy"),
        (lambda prompt: "):" * 20, "loop"),
    ],
    ids=["newlines", "end of text", "one comment", "the prompt copied", "a loop"],
)
def test_a_model_whose_sampled_completions_collapse_is_not_ranked(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[str], str], rule: str
) -> None:
    monkeypatch.setattr(
        metrics_module, "complete", lambda model, vocabulary, prompts, *rest: (list(map(write, prompts)), 1)
    )
    settings = trial_settings(num_steps=2)
    record = run_trial(CANDIDATE, data, settings, paths(tmp_path), number=0)
    assert record.end is TrialEnd.COLLAPSED
    assert record.reason is not None
    assert f"100% of 6 sampled completions ({rule} 6)" in record.reason
    assert front([record]) == completed([record]) == []


def test_each_rung_of_a_trial_equals_a_training_of_its_length(data: PreparedData, tmp_path: Path) -> None:
    """With 90, 30 and 10 steps, each result equals that of a separate training, and its cost is the added FLOPs."""
    settings = trial_settings(num_steps=90, num_rungs=3)
    where = replace(paths(tmp_path), trunk=tmp_path / "trunk")
    rungs = [run_trial(CANDIDATE, data, settings, where, number=0, rung=rung) for rung in range(3)]
    alone = [run_trial(CANDIDATE, data, settings, paths(tmp_path / "alone"), number=0, rung=rung) for rung in range(3)]
    for forked, whole in zip(rungs, alone, strict=True):
        assert forked.rungs == whole.rungs
        assert (forked.validation, forked.cost) == (whole.validation, whole.cost)
    results = [record.rungs[0] for record in rungs]
    step = CANDIDATE.architecture.train_flops_per_token() * 512
    assert [rung.rung for rung in results] == [0, 1, 2]
    assert [rung.train_flops / step for rung in results] == [10, 30, 90]
    # A decay takes a fifth: the next rung begins at the trunk's end, at 8 steps and then at 24.
    assert [rung.spent_flops / step for rung in results] == [10, 30 - 8, 90 - 24]
    whole_trial = rungs[2].after(rungs[1].after(rungs[0]))
    assert whole_trial.rungs == tuple(results)
    trunk = [point.train_flops / step for point in whole_trial.curve if point.decay_of is None]
    assert trunk == sorted(set(trunk))
    assert trunk[-1] == 72
    assert {point.decay_of for point in whole_trial.curve} == {None, 0, 1, 2}


def test_below_the_top_rung_a_collapsed_model_is_ranked(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_module, "complete", lambda model, vocabulary, prompts, *rest: ([""] * len(prompts), 1))
    settings = trial_settings(num_steps=30, num_rungs=2)
    assert run_trial(CANDIDATE, data, settings, paths(tmp_path), number=0, rung=0).is_complete
    assert run_trial(CANDIDATE, data, settings, paths(tmp_path), number=0, rung=1).end is TrialEnd.COLLAPSED
