from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader, dequantize

from nas.errors import ArchitectureError, ExportError, UsageError
from nas.export import gguf_file
from nas.export.decoder_weights import decoder_weights
from nas.export.gguf_file import VERSION_KEY, export_gguf, interleave_rotary_rows
from nas.export.gguf_tokens import gguf_tokens
from nas.tokenizer.vocabulary import Vocabulary, train_bpe, train_char
from tests.helpers.checkpoints import greedy_ids, language_model, random_ids
from tests.helpers.exported_models import generated_ids, logit_difference, open_model, open_tokenizer
from tests.helpers.foreign_tokenizers import FOREIGN_TOKENIZERS
from tests.helpers.texts import TEXTS

LLAMA = {"activation": "swiglu"}


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("tied", [False, True])
def test_transformers_reads_our_logits_and_writes_what_we_write(kv_heads: int, tied: bool, tmp_path: Path) -> None:
    ours = language_model(**LLAMA, num_kv_heads=kv_heads, tie_embeddings=tied)
    agreement = export_gguf(ours, tmp_path / "mine.gguf", "mine", "f32")
    assert agreement.difference is not None and agreement.difference < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["mine.gguf"]
    theirs = open_model(tmp_path, gguf_file="mine.gguf")
    assert logit_difference(ours.model, theirs, random_ids(ours.model.config)) < 1e-5
    for prompt in ("def f(x):\n", "import os\r\n\t", "é"):
        assert generated_ids(theirs, ours.vocabulary.encode(prompt), 20) == greedy_ids(ours, prompt, 20) != []


def test_the_reader_of_gguf_finds_every_number_and_every_weight(tmp_path: Path) -> None:
    ours = language_model(**LLAMA, num_kv_heads=2)
    export_gguf(ours, tmp_path / "mine.gguf", "mine", "f32")
    reader = GGUFReader(tmp_path / "mine.gguf")
    values = {name: field.contents() for name, field in reader.fields.items()}
    config, vocabulary = ours.model.config, ours.vocabulary
    expected = {
        "general.architecture": "llama",
        "general.name": "mine",
        "llama.block_count": config.num_layers,
        "llama.context_length": config.max_seq_length,
        "llama.embedding_length": config.hidden_dim,
        "llama.feed_forward_length": config.ffn_dim,
        "llama.attention.head_count": config.num_heads,
        "llama.attention.head_count_kv": 2,
        "llama.rope.dimension_count": config.head_dim,
        "llama.rope.freq_base": 10_000.0,
        "llama.vocab_size": 400,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.merges": [" ".join(merge) for merge in vocabulary.merges],
    }
    assert {name: values[name] for name in expected} == expected
    assert values["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-5)
    tokens = [vocabulary.tokenizer.id_to_token(number) for number in range(400)]
    assert values["tokenizer.ggml.tokens"] == tokens
    stored = {tensor.name: torch.from_numpy(np.array(tensor.data)) for tensor in reader.tensors}
    parts = decoder_weights(ours.model)
    assert len(stored) == len(parts)
    for name, part in {
        "token_embd": "embedding",
        "output": "head",
        "blk.1.attn_v": "layers.1.value",
        "blk.0.ffn_gate": "layers.0.gate",
        "blk.0.ffn_norm": "layers.0.feed_forward_norm",
    }.items():
        assert torch.equal(stored[f"{name}.weight"], parts[f"{part}.weight"])


def test_rows_of_a_head_are_interleaved() -> None:
    """Check the order: llama.cpp rotates rows 0 and 1 together, the decoder rows 0 and D/2."""
    rows = torch.arange(12.0).view(12, 1)
    assert interleave_rotary_rows(rows, 6).flatten().tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]


@pytest.mark.parametrize(("dtype", "kind"), [("f16", "F16"), ("bf16", "BF16")])
def test_half_precision_rounds_the_matrices_alone(dtype: str, kind: str, tmp_path: Path) -> None:
    ours = language_model(**LLAMA)
    agreement = export_gguf(ours, tmp_path / "mine.gguf", "mine", dtype)
    assert agreement.difference is not None and agreement.difference < 1e-4
    parts = decoder_weights(ours.model)
    stored = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "mine.gguf").tensors}
    assert stored["output_norm.weight"].tensor_type.name == "F32"
    assert torch.equal(torch.from_numpy(np.array(stored["output_norm.weight"].data)), parts["norm.weight"])
    up = stored["blk.0.ffn_up.weight"]
    assert up.tensor_type.name == kind
    rounded = parts["layers.0.up.weight"].to(gguf_file.DTYPES[dtype]).float()
    assert torch.equal(torch.from_numpy(dequantize(up.data, up.tensor_type)), rounded)


def test_its_tokenizer_encodes_code_as_ours_does(tmp_path: Path) -> None:
    """Check with transformers, without texts with Ā (the symbol of NUL) or <|endoftext|>, special tokens for it."""
    ours = language_model(**LLAMA)
    export_gguf(ours, tmp_path / "mine.gguf", "mine", "f32")
    theirs = open_tokenizer(tmp_path, gguf_file="mine.gguf")
    for text in ("a\tb\r\nc  \n\n   x", "\U0001f600 é", *(text[:2000] for text in TEXTS)):
        assert theirs(text)["input_ids"] == ours.vocabulary.encode(text)


@pytest.mark.parametrize("changes", [{"activation": "geglu"}, {"qk_norm": True}, {"position_encoding": "none"}])
def test_an_architecture_other_than_llama_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ArchitectureError, match=r"the llama of GGUF files does not represent .*; use "):
        export_gguf(language_model(**LLAMA | changes), tmp_path / "mine.gguf", "mine", "f32")
    assert list(tmp_path.iterdir()) == []


def foreign(name: str) -> Vocabulary:
    return Vocabulary(FOREIGN_TOKENIZERS[name]())


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: train_bpe(TEXTS, 256), "'bytes': it has no merges"),
        (lambda: train_char(TEXTS), "'char': its tokens are characters"),
        (lambda: foreign("gemma"), "'foreign-600': its tokens are characters"),
        (lambda: foreign("starcoder"), "'foreign-600': it splits words differently from GPT-2"),
        (lambda: foreign("llama3"), "it splits words differently from GPT-2"),
    ],
    ids=["bytes", "char", "gemma", "starcoder", "llama3"],
)
def test_a_vocabulary_that_gguf_would_encode_differently_is_refused(made: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=r"a GGUF file cannot store the tokenizer .*; use a byte-level BPE ") as e:
        gguf_tokens(made())
    assert reason in str(e.value)


def test_a_foreign_end_of_text_is_a_control_token_and_our_nul_is_not() -> None:
    theirs, ours = gguf_tokens(foreign("gpt2")), gguf_tokens(train_bpe(TEXTS, 400))
    assert theirs.tokens[theirs.eot_id] == "<|endoftext|>" and theirs.kinds[theirs.eot_id] == 3
    assert ours.tokens[0] == "Ā" and set(ours.kinds) == {1}
    assert len(theirs.tokens) == len(theirs.kinds) == len(set(theirs.tokens)) == 600


def test_only_a_file_written_by_codenas_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    for name in ("first", "second"):
        export_gguf(language_model(**LLAMA), path, name, "f32")
        assert GGUFReader(path).fields["general.name"].contents() == name
    path.write_bytes(path.read_bytes().replace(VERSION_KEY.encode(), b"somebody.version"))
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists and was not written by codenas"):
        export_gguf(language_model(**LLAMA), path, "mine", "f32")
    assert path.read_bytes() == before
    with pytest.raises(UsageError, match="is a folder; give a file"):
        export_gguf(language_model(**LLAMA), tmp_path, "mine", "f32")


def test_a_failed_export_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.gguf"
    export_gguf(language_model(**LLAMA), path, "mine", "f32")
    before = path.read_bytes()

    def fail(*arguments: Any, **options: Any) -> None:
        raise ExportError("other logits")

    monkeypatch.setattr(gguf_file, "check_agreement", fail)
    with pytest.raises(ExportError):
        export_gguf(language_model(**LLAMA), path, "mine", "bf16")
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine.gguf"]


def test_without_the_package_its_install_command_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UsageError, match=r"--to gguf needs the gguf package: pip install 'codenas\[gguf\]'"):
        export_gguf(language_model(**LLAMA), tmp_path / "mine.gguf", "mine", "f32")
