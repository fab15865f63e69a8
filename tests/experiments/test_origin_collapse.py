from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.origin_collapse.__main__ import main
from experiments.origin_collapse.cases import CASES
from experiments.origin_collapse.measurements import CaseResult
from experiments.origin_collapse.tables import tables
from experiments.origin_collapse.unmasked import UnmaskedDecoder
from nas.audit.audited_model import AuditedModel
from nas.audit.causality import check_future_tokens, check_gradients, check_probabilities
from nas.model import GREEDY, Decoder, generate
from tests.helpers.study_commands import ran
from tests.helpers.tiny_models import tiny

CONFIG = tiny(num_layers=2)
CHECKS = (check_future_tokens, check_gradients, check_probabilities)


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_of_causality_finds_the_missing_mask_alone(check: Any) -> None:
    assert check(AuditedModel(UnmaskedDecoder(CONFIG), 256, CONFIG.max_seq_length)).outcome == "leak"
    assert check(AuditedModel(Decoder(CONFIG), 256, CONFIG.max_seq_length)).outcome == "passed"


def test_the_mask_is_all_that_differs() -> None:
    whole, unmasked = Decoder(CONFIG, seed=3), UnmaskedDecoder(CONFIG, seed=3)
    assert all(torch.equal(own, other) for own, other in zip(whole.parameters(), unmasked.parameters(), strict=True))
    one_token = torch.tensor([[65]])
    assert torch.equal(whole(one_token), unmasked(one_token))


def test_without_a_mask_each_token_follows_from_reading_all_before_it_again() -> None:
    model = UnmaskedDecoder(CONFIG, seed=1)
    prompts = [[10, 20, 30], [7, 8, 9, 10, 11]]
    written = generate(
        model,
        prompts,
        GREEDY,
        uniforms=torch.zeros(2, 6, dtype=torch.float64),
        token_bytes=torch.ones(256, dtype=torch.int64),
        byte_limit=100,
        eot_id=0,
    )
    for prompt, ids in zip(prompts, written, strict=True):
        read = list(prompt)
        for expected in ids:
            with torch.no_grad():
                assert int(model(torch.tensor([read]))[0, -1].argmax()) == expected
            read.append(expected)
        assert len(ids) == 6


def test_each_case_with_the_mask_changes_one_thing() -> None:
    base = next(case for case in CASES if case.name == "mask")
    for case in CASES:
        if case.is_masked and case != base:
            changed = [
                name
                for name in ("num_layers", "hidden_dim", "vocab_size", "data_share", "flops")
                if getattr(case, name) != getattr(base, name)
            ]
            assert len(changed) == 1, case


def test_the_tables_show_a_line_of_the_file() -> None:
    sampling = {
        "failure_rate": 0.75,
        "collapse_rate": 1.0,
        "repetition_ratio": 0.5,
        "keyword_rate": 0.25,
        "examples": [{"prompt": "def f():", "category": "repetitive", "completion": "):):|`"}],
    }
    line = {
        "case": "no mask",
        "settings": {},
        "vocab_size": 256,
        "tokens_per_second": 1000,
        "seconds": 1.0,
        "num_params": 1_250_000,
        "num_steps": 1234,
        "perplexity": 1.0364,
        "bpb": 0.0123,
        "audit": {"future tokens": "leak", "gradients": "passed"},
        "failure_rate_after_colon": 0.875,
        "samplings": {"T 0.8, top-p 0.9, top-k 40": sampling, "greedy": sampling | {"collapse_rate": 0.3}},
    }
    page = tables([CaseResult.model_validate(line)])
    cells = ["no mask", "1.25M", "1,234", "1.04", "0.012", "75.0%", "87.5%", "100.0%", "30.0%", "50.0%", "25.0%"]
    assert f"| {' | '.join(cells)} | leak: future tokens |" in page
    assert "'):):\u00a6 '" in page  # a bar or a backtick would break the table


@pytest.mark.slow
def test_without_the_mask_perplexity_is_near_one_and_what_is_written_collapses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cases.jsonl"
    argv = ["--cases", "2", "--data", str(path), "--doc", str(tmp_path / "page.md")]
    assert ran(main, "experiments.origin_collapse", argv, capsys).code == 0
    unmasked, masked = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert unmasked["perplexity"] < 1.5 < 50 < masked["perplexity"]
    sampled = "T 0.8, top-p 0.9, top-k 40"
    # The last bits of a training decide on this share: 0.93, 0.58 and 0.49 were seen on two processors.
    assert unmasked["samplings"][sampled]["collapse_rate"] > 0.25
    assert masked["samplings"][sampled]["collapse_rate"] < 0.02
    assert [unmasked["audit"][check] for check in ("future tokens", "gradients", "probabilities")] == ["leak"] * 3
    assert set(masked["audit"].values()) == {"passed"}
