"""Exported models, opened by the libraries that they were exported for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from nas.model import Decoder


def open_model(folder: Path, **options: Any) -> Any:
    """Open an exported model; the files must have every weight of the class and no other."""
    model, loading_info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, output_loading_info=True, **options
    )
    assert not any(loading_info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"))
    return model.eval()


def open_tokenizer(folder: Path, **options: Any) -> Any:
    """Open the tokenizer of an exported model."""
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, **options)


def logit_difference(model: Decoder, exported: Any, ids: Tensor) -> float:
    """Return the largest difference of two logits."""
    with torch.inference_mode():
        return float((exported(ids).logits - model(ids)).abs().max())


def generated_ids(model: Any, ids: list[int], count: int) -> list[int]:
    """Return the greedy continuation, without an end-of-text token."""
    prompt = torch.tensor([ids])
    with torch.inference_mode():
        output = model.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count, do_sample=False
        )
    new_ids = output[0, len(ids) :].tolist()
    return new_ids[:-1] if new_ids and new_ids[-1] == model.generation_config.eos_token_id else new_ids
