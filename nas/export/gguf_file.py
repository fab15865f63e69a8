"""A GGUF file for llama.cpp and compatible programs: weights, hyperparameters and tokenizer in one file.

The architecture is `llama`, the tokenizer `gpt2` with the pre-tokenizer `gpt-2`. llama.cpp's own converter knows
neither our files nor our vocabularies, so the `gguf` package writes it.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nas import __version__
from nas.architecture.config import ArchitectureConfig
from nas.architecture.transformers_class import check_gguf
from nas.errors import ExportError, UsageError
from nas.export.agreement import Agreement, check_agreement
from nas.export.decoder_weights import WeightNames, decoder_weights
from nas.export.gguf_tokens import gguf_tokens
from nas.inference.language_model import LanguageModel
from nas.model import Decoder
from nas.model.normalization import EPSILON
from nas.model.positions import ROPE_BASE
from nas.system.files import write_atomically

if TYPE_CHECKING:
    from gguf import GGUFWriter

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
"""Data types of the matrices; norms are always f32."""
VERSION_KEY = "codenas.version"
_HEADER_BYTES = 4096  # the version is among the first keys
_NAMES = WeightNames(
    model={"embedding": "token_embd", "norm": "output_norm", "head": "output"},
    layer_prefix="blk.{}.",
    layer={
        "attention_norm": "attn_norm", "query": "attn_q", "key": "attn_k", "value": "attn_v", "out": "attn_output",
        "feed_forward_norm": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down",
    },
)  # fmt: skip


def export_gguf(language_model: LanguageModel, path: Path, name: str, dtype: str) -> Agreement:
    """Write `path` if it gives the logits of the model with weights rounded to `dtype`; else write nothing.

    Raises UsageError without the gguf package, for a vocabulary that GGUF cannot represent, or if `path` is any other
    file; ArchitectureError when the architecture is not llama; ExportError when the logits differ.
    """
    config = language_model.model.config
    check_gguf(config)
    tokens = gguf_tokens(language_model.vocabulary)
    check_target(path)
    try:
        from gguf import GGUFWriter
    except ImportError:
        raise UsageError("--to gguf needs the gguf package: pip install 'codenas[gguf]'") from None
    rounded = LanguageModel(_rounded(language_model.model, DTYPES[dtype]), language_model.vocabulary)
    result: Agreement | None = None

    def write(temporary: Path) -> None:
        nonlocal result
        writer = GGUFWriter(temporary, "llama")
        try:
            writer.add_string(VERSION_KEY, __version__)
            writer.add_name(name)
            _add_hyperparameters(writer, config, dtype)
            tokens.add_to(writer)
            _add_tensors(writer, rounded.model, dtype)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        except OSError as error:
            if error.errno is not None:
                raise
            # numpy reports how much it wrote, but not why it could not write the rest.
            raise ExportError(
                f"cannot write {path} ({error}); free some space and run the same command again"
            ) from None
        finally:
            writer.close()
        result = check_agreement(rounded, temporary.parent, "LlamaForCausalLM", gguf_file=temporary.name)

    write_atomically(path, write)
    assert result is not None
    return result


def check_target(path: Path) -> None:
    """Raise UsageError unless `path` is free, or a GGUF file written by codenas, which may be replaced."""
    if path.is_dir():
        raise UsageError(f"--out {path} is a folder; give a file")
    if path.exists():
        with path.open("rb") as file:
            if VERSION_KEY.encode() not in file.read(_HEADER_BYTES):
                raise UsageError(f"--out {path} exists and was not written by codenas; give a new file")


def _add_hyperparameters(writer: GGUFWriter, config: ArchitectureConfig, dtype: str) -> None:
    from gguf import LlamaFileType

    types = {"f32": LlamaFileType.ALL_F32, "f16": LlamaFileType.MOSTLY_F16, "bf16": LlamaFileType.MOSTLY_BF16}
    writer.add_file_type(types[dtype])
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_seq_length)
    writer.add_embedding_length(config.hidden_dim)
    writer.add_block_count(config.num_layers)
    writer.add_feed_forward_length(config.ffn_dim)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_kv_heads)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(ROPE_BASE)


def _add_tensors(writer: GGUFWriter, model: Decoder, dtype: str) -> None:
    from gguf import GGMLQuantizationType, quants

    matrices = GGMLQuantizationType[dtype.upper()]
    weights = decoder_weights(model)
    for name in weights:
        if name.endswith((".query.weight", ".key.weight")):
            weights[name] = interleave_rotary_rows(weights[name], model.config.head_dim)
    for name, weight in _NAMES.rename(weights).items():
        kind = matrices if weight.ndim > 1 else GGMLQuantizationType.F32
        writer.add_tensor(name, quants.quantize(weight.numpy(), kind), raw_dtype=kind)


def interleave_rotary_rows(weight: Tensor, head_dim: int) -> Tensor:
    """Reorder the rows (N D, H) of each head as rotary positions of llama.cpp need them: 0, D/2, 1, D/2 + 1, and so on.

    The decoder rotates row i with row i + D/2 (rotate-half), llama.cpp row 2i with row 2i + 1.
    """
    heads = weight.view(-1, 2, head_dim // 2, weight.shape[1])
    return heads.transpose(1, 2).reshape(weight.shape)


def _rounded(model: Decoder, dtype: torch.dtype) -> Decoder:
    """Return a copy whose matrices are rounded to `dtype`."""
    rounded = copy.deepcopy(model)
    with torch.no_grad():
        for weight in rounded.parameters():
            if weight.ndim > 1:
                weight.copy_(weight.to(dtype))
    return rounded
