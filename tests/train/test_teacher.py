from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nas.audit.audited_model import AuditedModel
from nas.data.prepared import PreparedData
from nas.errors import CheckpointError, UsageError
from nas.model import Decoder
from nas.train.plan import TrainingPlan
from nas.train.run import FullTraining
from nas.train.source import Source
from nas.train.teacher import Distillation, Teacher, open_teacher
from nas.training.numerics import Numerics
from nas.training.weights import save_weights
from tests.helpers.tiny_models import NUMERICS, random_tokens, recipe, same_weights, tiny

CONFIG = tiny(num_layers=2)
DISTILLATION = Distillation(teacher="hash", share=0.5, temperature=2.0, top_k=5, flops_per_token=1)


def saved(data: PreparedData, folder: Path, tokenizer: str = "bytes", **changes: Any) -> Path:
    """Write a checkpoint as nas.train leaves it."""
    folder.mkdir()
    config = CONFIG.model_copy(update={"vocab_size": data.vocabulary_sizes[tokenizer], **changes})
    save_weights(Decoder(config, seed=3), folder / "best.safetensors")
    data.vocabulary(tokenizer).save(folder / "tokenizer.json")
    return folder


def opened(
    data: PreparedData, path: Path, seq_length: int = 64, numerics: Numerics = NUMERICS, **changes: Any
) -> Teacher:
    source = Source(data, data.vocabulary("bytes"), data.tokens("bytes", "train"))
    settings: dict[str, Any] = {"share": 0.3, "temperature": 1.5, "top_k": 7}
    return open_teacher(path, source, seq_length, numerics, **settings | changes)


@pytest.mark.parametrize("top_k", [1, 5, 256, 999])
def test_soft_targets_are_the_softmax_over_the_most_probable_tokens(top_k: int) -> None:
    model = Decoder(CONFIG, seed=3).eval()
    teacher = Teacher(AuditedModel(model, 256, 64), 256, DISTILLATION.model_copy(update={"top_k": top_k}))
    ids = torch.from_numpy(random_tokens(128).astype("int64")).view(4, 32)
    soft_targets = teacher(ids)
    logits = model(ids).detach().flatten(0, 1)
    for row in (0, 17, 127):
        values, places = logits[row].sort(descending=True, stable=True)
        count = min(top_k, 256)
        assert set(soft_targets.tokens[row].tolist()) == set(places[:count].tolist())
        expected = torch.softmax(values[:count] / 2.0, dim=0)
        assert torch.allclose(soft_targets.probabilities[row], expected, atol=1e-6)
    assert (soft_targets.share, soft_targets.temperature) == (0.5, 2.0)


def test_a_checkpoint_of_ours_is_a_teacher_of_known_cost(data: PreparedData, tmp_path: Path) -> None:
    teacher = opened(data, saved(data, tmp_path / "run"))
    distillation = teacher.distillation
    assert (distillation.share, distillation.temperature, distillation.top_k) == (0.3, 1.5, 7)
    assert distillation.flops_per_token == CONFIG.forward_flops_per_token(64)
    assert len(distillation.teacher) == 64
    assert opened(data, tmp_path / "run" / "best.safetensors").distillation.top_k == 7
    save_weights(Decoder(CONFIG, seed=4), tmp_path / "run" / "best.safetensors")
    assert opened(data, tmp_path / "run").distillation.teacher != distillation.teacher


@pytest.mark.parametrize("position", ["rope", "alibi", "sinusoidal", "learned"])
def test_a_teacher_computes_in_bfloat16_where_the_student_does(
    data: PreparedData, tmp_path: Path, position: str
) -> None:
    path = saved(data, tmp_path / "run", position_encoding=position, qk_norm=True)
    ids = torch.from_numpy(random_tokens(128).astype("int64")).view(4, 32)
    exact = opened(data, path)(ids)
    rounded = opened(data, path, numerics=NUMERICS.model_copy(update={"dtype": "bfloat16"}))(ids)
    assert rounded.probabilities.dtype == torch.float32
    assert torch.allclose(rounded.probabilities, exact.probabilities, atol=0.01)


def test_a_folder_of_transformers_is_a_teacher_whose_flops_are_counted(data: PreparedData, tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=256, max_position_embeddings=64, eos_token_id=0, bos_token_id=0, **sizes)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "llama")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=data.vocabulary("bytes").tokenizer)
    tokenizer.add_special_tokens({"eos_token": tokenizer.convert_ids_to_tokens(0)})
    tokenizer.save_pretrained(tmp_path / "llama")
    flops = opened(data, tmp_path / "llama").distillation.flops_per_token
    expected = tiny(num_layers=2, activation="swiglu").forward_flops_per_token(64)
    assert flops == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("tokenizer", "seq_length", "message"),
    [
        ("bpe-512", 64, r"tokenizer of 512 tokens, .* 256; .*--tokenizer"),
        ("bytes", 65, r"64 tokens .* 65"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(
    data: PreparedData, tmp_path: Path, tokenizer: str, seq_length: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        opened(data, saved(data, tmp_path / "run", tokenizer), seq_length)
    assert "\n" not in str(caught.value)


def test_anything_but_a_trained_model_is_refused(data: PreparedData, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing at "):
        opened(data, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="cannot read checkpoint "):
        opened(data, tmp_path / "empty")
    arch_json = tmp_path / "arch.json"
    arch_json.write_text(CONFIG.model_dump_json())
    with pytest.raises(UsageError, match=r"arch\.json is not trained; give a checkpoint"):
        opened(data, arch_json)


class Oracle(nn.Module):
    """A model that is sure of one token for every input."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(*ids.shape, 256)
        logits[..., 7] = 50.0
        return logits


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_student_learns_from_its_teacher_and_resumes_with_the_same_bits(
    data: PreparedData, tmp_path: Path, accumulate: int
) -> None:
    distillation = DISTILLATION.model_copy(update={"share": 1.0, "temperature": 1.0, "flops_per_token": 1000})
    teacher = Teacher(AuditedModel(Oracle(), 256, 64), 256, distillation)
    made = recipe(num_steps=24, seq_length=32, accumulate=accumulate)
    plan = TrainingPlan(tiny(), made, NUMERICS, "hash", 8, 2048, distillation=distillation)

    def begin(folder: Path) -> FullTraining:
        stream = data.tokens("bytes", "train")
        return FullTraining(folder, plan, data.vocabulary("bytes"), stream, data, teacher=teacher)

    uninterrupted = begin(tmp_path / "uninterrupted")
    lines = list(uninterrupted.run(lambda step, loss: None))
    assert lines[-1].train_loss < 0.2 < lines[0].train_loss
    assert plan.train_flops == (tiny().train_flops_per_token(32) + 1000) * 4 * 32 * 24
    assert plan.teacher_flops == 1000 * 4 * 32 * 24
    stopped = begin(tmp_path / "stopped")
    list(stopped.run(lambda step, loss: None, lambda: stopped.step >= 11))
    resumed = begin(tmp_path / "stopped")
    list(resumed.run(lambda step, loss: None))
    assert same_weights(resumed._trainer.model, uninterrupted._trainer.model)
