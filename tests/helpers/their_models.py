"""What was exported, opened by the libraries that it was exported for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from nas.model import Decoder


def open_model(folder: Path, **options: Any) -> Any:
    """Every weight of the class must stand in the files, and no other."""
    model, said = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, output_loading_info=True, **options
    )
    assert not any(said[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs")), said
    return model.eval()


def open_tokenizer(folder: Path, **options: Any) -> Any:
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, **options)


def difference(ours: Decoder, theirs: Any, ids: Tensor) -> float:
    """The largest of two logits."""
    with torch.inference_mode():
        return float((theirs(ids).logits - ours(ids)).abs().max())


def written_by(model: Any, ids: list[int], count: int) -> list[int]:
    """Greedy, without the end of text that may have ended it."""
    prompt = torch.tensor([ids])
    with torch.inference_mode():
        written = model.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count, do_sample=False
        )
    new = written[0, len(ids) :].tolist()
    return new[:-1] if new and new[-1] == model.generation_config.eos_token_id else new
