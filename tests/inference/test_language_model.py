from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import nas
from nas.data.prepared import PreparedData
from nas.errors import CheckpointError, UsageError
from nas.inference.completion_stream import first_stop, text_before_stop
from nas.inference.language_model import LanguageModel
from nas.model import Decoder
from nas.space.search_space import Candidate
from nas.training.weights import save_weights
from nas.trial.run import run_final
from tests.helpers.fixed_model import BYTES, fixed_model
from tests.helpers.tiny_models import tiny, trial_settings


@pytest.fixture(scope="module")
def folder(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model trained for a few steps, as `nas.train` leaves it."""
    made = tmp_path_factory.mktemp("model")
    run_final(Candidate(tiny(), "bytes", 1.0), data, trial_settings(), made / "best.safetensors")
    data.vocabulary("bytes").save(made / "tokenizer.json")
    return made


@pytest.fixture(scope="module")
def model(folder: Path) -> LanguageModel:
    return nas.load(folder)


def writer_of(data: bytes) -> LanguageModel:
    """Return a model that greedily writes `data` after an empty prompt, by its learned positions alone."""
    model = Decoder(tiny(hidden_dim=256, position_encoding="learned", normalization="layernorm"), seed=0)
    with torch.no_grad():
        for parameter in model.blocks.parameters():
            parameter.zero_()
        model.embedding.weight.zero_()
        assert model.absolute is not None
        places = model.absolute.weight
        places.zero_()
        model.output_weight.copy_(torch.eye(256))
        for place, byte in enumerate(data):
            places[place, byte] = 1.0
    return LanguageModel(model.eval(), BYTES)


def test_the_same_seed_writes_the_same_text_and_another_one_another(model: LanguageModel, folder: Path) -> None:
    text = model.complete("def ", seed=1)
    assert isinstance(text, str)
    assert text
    assert nas.load(str(folder)).complete("def ", seed=1) == text
    assert nas.load(folder / "best.safetensors").complete("def ", seed=1) == text
    assert len({model.complete("def ", seed=seed) for seed in range(5)}) == 5


def test_temperature_zero_is_greedy_for_every_seed(model: LanguageModel) -> None:
    greedy = {model.complete("def ", temperature=0, seed=seed) for seed in range(3)}
    assert greedy == {model.complete("def ", top_k=1)}


@pytest.mark.parametrize("temperature", [0.0, 0.8, 1.5])
@pytest.mark.parametrize("prompt", ["", "def ", "a" * 200])
def test_the_pieces_of_a_stream_are_the_completion(model: LanguageModel, prompt: str, temperature: float) -> None:
    pieces = list(model.stream(prompt, max_bytes=30, temperature=temperature, seed=4))
    assert "".join(pieces) == model.complete(prompt, max_bytes=30, temperature=temperature, seed=4)
    assert all(pieces)
    assert len(pieces) > 3


@pytest.mark.parametrize("max_bytes", range(1, 12))
def test_a_character_of_several_tokens_is_one_piece_and_half_of_one_is_marked(max_bytes: int) -> None:
    text = "é€😀xé"
    model = writer_of(text.encode() + b"\0")
    pieces = list(model.stream("", max_bytes=max_bytes, temperature=0))
    assert "".join(pieces) == text.encode()[:max_bytes].decode(errors="replace")
    assert all(piece in text or piece == "\ufffd" for piece in pieces)
    assert max(map(len, pieces)) == 1


def test_bytes_that_are_not_utf_8_are_replaced_as_in_the_whole() -> None:
    data = b"a\xff\xe2\x82b\xf0\x9f\xc3\xa9\xe2\x82"
    assert writer_of(data + b"\0").complete("", temperature=0) == data.decode(errors="replace")


def test_a_stream_knows_what_is_written_and_who_ended_it() -> None:
    model = writer_of(b"pass\n\0")
    ended = model.stream("", temperature=0)
    assert (next(ended), ended.text, ended.ended) == ("p", "p", False)
    assert ("".join(ended), ended.text, ended.ended) == ("ass\n", "pass\n", True)
    limited = model.stream("", temperature=0, max_bytes=5)
    assert ("".join(limited), limited.ended) == ("pass\n", False)
    stopped = model.stream("", temperature=0, stop="\n")
    assert ("".join(stopped), stopped.ended) == ("pass", False)
    closed = model.stream("", temperature=0)
    next(closed)
    closed.close()
    assert (list(closed), closed.text, closed.ended) == ([], "p", False)
    full = fixed_model({"a": 0.0}, max_seq_length=9).stream("xyz", temperature=0)
    assert ("".join(full), full.ended, full.num_truncated) == ("a" * 6, False, 0)
    cut = fixed_model({"a": 0.0}, max_seq_length=9).stream("x" * 12, temperature=0)
    assert ("".join(cut), cut.ended, cut.num_truncated) == ("a" * 5, False, 8)


@pytest.mark.parametrize(
    ("stops", "before"),
    [
        (["c"], "ab"),
        (["bc"], "a"),
        (["x", "cab"], "ab"),
        (["abcabd"], "abc"),
        (["abcabcabd"], ""),
        (["abcx", "d"], "abcabcab"),
        (["abc", "b"], "a"),  # b is complete first
        (["c", "abc"], ""),  # of those complete together the longest
        (["x"], "abcabcabd"),
        ([], "abcabcabd"),
    ],
)
def test_a_completion_ends_before_its_first_stop_wherever_the_pieces_are_cut(stops: list[str], before: str) -> None:
    text = "abcabcabd"
    assert text[: first_stop(text, stops)] == before
    for size in range(1, 10):
        pieces = (text[start : start + size] for start in range(0, 9, size))
        kept = list(text_before_stop(pieces, stops))
        assert "".join(kept) == before
        assert all(kept)
    assert writer_of(text.encode() + b"\0").complete("", temperature=0, stop=stops) == before


def test_text_that_cannot_begin_a_stop_is_not_held_back() -> None:
    stream = fixed_model({"a": 0.0}).stream("", stop=["ab", "\n\n"])
    assert [next(stream), next(stream)] == ["a", "a"]


def test_another_completion_can_be_written_within_a_stream(model: LanguageModel) -> None:
    stream = model.stream("def ", seed=2)
    first = next(stream)
    model.complete("x")
    assert first + "".join(stream) == model.complete("def ", seed=2)


@pytest.mark.parametrize("max_bytes", [1, 7, 30])
def test_a_completion_has_at_most_so_many_bytes(model: LanguageModel, max_bytes: int) -> None:
    assert len(model.complete("import os\n", max_bytes=max_bytes).replace("\ufffd", "?").encode()) <= max_bytes


@pytest.mark.parametrize("prompt", ["", "x", "é♥" * 10, "a" * 63, "a" * 64, "a" * 5000])
@pytest.mark.parametrize("max_bytes", [1, 40, 10_000])
def test_any_prompt_is_continued(model: LanguageModel, prompt: str, max_bytes: int) -> None:
    assert len(model.complete(prompt, max_bytes=max_bytes)) <= 64


def test_a_long_prompt_is_cut_at_its_front(model: LanguageModel) -> None:
    # max_seq_length 64 less 24 for the completion.
    end = "b" * 40
    assert model.complete("a" * 500 + end, max_bytes=24) == model.complete(end, max_bytes=24)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1.0}, "temperature must be 0"),
        ({"temperature": math.nan}, "temperature must be 0"),
        ({"top_p": 0.0}, "top_p must be above 0"),
        ({"top_p": 1.5}, "top_p must be above 0"),
        ({"top_k": -1}, "top_k must be 0"),
        ({"max_bytes": 0}, "max_bytes must be at least 1"),
        ({"stop": ["x", ""]}, "a stop must not be empty"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    model: LanguageModel, settings: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        model.complete("def ", **settings)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message):
        model.stream("def ", **settings)  # type: ignore[arg-type]


def test_bits_per_byte_of_a_text_count_its_end_and_do_not_depend_on_what_came_before(model: LanguageModel) -> None:
    value = model.bits_per_byte("import os\n")
    assert model.bits_per_byte("import os\n") == value
    assert 0 < value < 12
    code, noise = model.bits_per_byte("        self.value = value\n" * 4), model.bits_per_byte("\x01ÿ語\x7f" * 20)
    assert code < 8 < noise  # 8 bits are a uniform guess
    with pytest.raises(ValueError, match="an empty text"):
        model.bits_per_byte("")


def test_a_tokenizer_of_another_size_is_refused(folder: Path, data: PreparedData, tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").write_bytes((folder / "best.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="cannot read tokenizer"):
        nas.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="damaged or not a tokenizer"):
        nas.load(tmp_path)
    data.vocabulary("bpe-512").save(tmp_path / "tokenizer.json")
    with pytest.raises(CheckpointError, match=r"256, .* 512"):
        nas.load(tmp_path)


@pytest.mark.parametrize("name", ["", "nothing", "nothing.safetensors"])
def test_a_folder_without_weights_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=r"^cannot read checkpoint ") as caught:
        nas.load(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_model_of_a_bpe_writes_too(data: PreparedData, tmp_path: Path) -> None:
    save_weights(Decoder(tiny(vocab_size=512), seed=0), tmp_path / "best.safetensors")
    data.vocabulary("bpe-512").save(tmp_path / "tokenizer.json")
    assert nas.load(tmp_path).complete("def ", max_bytes=20, seed=3)
