from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from nas.data.prepared import PreparedData
from nas.errors import CorpusError
from nas.evaluate import metrics as metrics_module
from nas.evaluate.code_prompts import cut_prompts
from nas.evaluate.collapse import collapse_rule
from nas.evaluate.metrics import DECODINGS, SAMPLED, complete, evaluate
from nas.inference.bits_per_byte import measure_likelihood, token_nats
from nas.model import GREEDY, Decoder
from nas.space.sections import EvaluationSection
from nas.tokenizer.vocabulary import Vocabulary
from tests.helpers.tiny_models import SEQ_LENGTH, tiny, write_novel

SETTINGS = EvaluationSection(validation_bytes=4096, num_prompts=7, completion_bytes=40)
PROMPT_BYTES = SEQ_LENGTH - 40


def model(vocab_size: int = 256) -> Decoder:
    """Untrained and tied: the likeliest next token is the last one, so greedy text loops."""
    made = Decoder(tiny(vocab_size=vocab_size, tie_embeddings=True), seed=0)
    with torch.no_grad():
        made.embedding.weight.mul_(4)
    return made


def pieces_of(vocabulary: Vocabulary, tokens: Iterable[int]) -> list[bytes]:
    return [vocabulary.token_bytes[token] for token in tokens]


@pytest.mark.parametrize("name", ["bytes", "bpe-512"])
@pytest.mark.parametrize("split", ["validation", "holdout"])
def test_an_evaluation_is_the_sum_of_its_completions(data: PreparedData, name: str, split: str) -> None:
    vocabulary = data.vocabulary(name)
    decoder = model(vocabulary.size)
    evaluation = evaluate(decoder, vocabulary, data, split, SETTINGS, PROMPT_BYTES)
    metrics = evaluation.metrics
    documents = data.evaluation_documents(split, 4096)
    assert metrics.num_bytes == len(data.evaluation_bytes(split, 4096)) <= 4096
    tokens = vocabulary.encode_documents(documents)
    assert metrics.bpb == measure_likelihood(decoder, tokens, 0, metrics.num_bytes, SEQ_LENGTH).bpb
    nats = token_nats(decoder, tokens, 0, SEQ_LENGTH)
    shares = [nat / len(piece) for nat, piece in zip(nats, pieces_of(vocabulary, tokens), strict=True) for _ in piece]
    novel = data.novel_bytes(split, 4096)
    on_novel = [share for share, is_novel in zip(shares, novel, strict=True) if is_novel]
    assert 0 < metrics.novel_num_bytes == len(on_novel) < metrics.num_bytes
    assert metrics.novel_bpb == pytest.approx(sum(on_novel) / math.log(2) / len(on_novel), rel=1e-9)
    prompts = cut_prompts(data.documents(split), 7, PROMPT_BYTES, 40)
    for mode in DECODINGS:
        rows = [row for row in evaluation.completions if row.mode == mode]
        assert [row.index for row in rows] == list(range(7))
        assert [row.prompt for row in rows] == prompts
        assert [row.rule for row in rows] == [
            collapse_rule(row.completion, row.prompt, ended=len(row.completion.encode()) < 40) for row in rows
        ]
        assert metrics.collapse_rules[mode] == dict(Counter(row.rule for row in rows if row.rule))
        rate = sum(row.rule is not None for row in rows) / 7
        assert getattr(metrics, f"{mode}_collapse_rate") == rate
    assert len(evaluation.completions) == 2 * 7
    assert metrics.greedy_collapse_rate > 0.5


def test_the_same_model_is_evaluated_the_same_and_the_splits_have_prompts_of_their_own(data: PreparedData) -> None:
    vocabulary = data.vocabulary("bytes")
    first, again, other = (
        evaluate(model(), vocabulary, data, split, SETTINGS, PROMPT_BYTES)
        for split in ("validation", "validation", "holdout")
    )
    assert first.metrics == again.metrics
    assert first.completions == again.completions
    assert not {row.prompt for row in first.completions} & {row.prompt for row in other.completions}


@pytest.mark.parametrize("name", ["bytes", "bpe-512"])
@pytest.mark.parametrize("mode", DECODINGS)
def test_completions_do_not_depend_on_their_neighbours(
    data: PreparedData, name: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocabulary = data.vocabulary(name)
    prompts = cut_prompts(data.documents("validation"), 9, PROMPT_BYTES, 40)
    together, longest = complete(model(vocabulary.size), vocabulary, prompts, DECODINGS[mode], 40)
    fewer, _ = complete(model(vocabulary.size), vocabulary, prompts[:4], DECODINGS[mode], 40)
    assert fewer == together[:4]
    monkeypatch.setattr(metrics_module, "_CACHE_BYTES", 1)  # one row at a time
    assert complete(model(vocabulary.size), vocabulary, prompts, DECODINGS[mode], 40) == (together, longest)


@pytest.mark.parametrize("name", ["bytes", "bpe-512"])
@pytest.mark.parametrize("completion_bytes", [8, 23, 40])
def test_a_completion_is_as_long_as_it_may_be_unless_the_text_ends(
    data: PreparedData, name: str, completion_bytes: int
) -> None:
    vocabulary = data.vocabulary(name)
    prompts = cut_prompts(data.documents("validation"), 9, PROMPT_BYTES, 40)
    decoder = model(vocabulary.size)
    with torch.no_grad():
        decoder.embedding.weight[vocabulary.eot_id] = 0  # less likely than the last token
    texts, longest = complete(decoder, vocabulary, prompts, GREEDY, completion_bytes)
    # U+FFFD stands for one to three bytes that are no character.
    assert all(len(text) <= completion_bytes for text in texts)
    assert max(len(text.replace("\ufffd", "?" * 3).encode()) for text in texts) >= completion_bytes
    assert 1 <= longest <= completion_bytes


def test_a_prompt_of_the_longest_kind_and_its_completion_fit_the_sequence(data: PreparedData) -> None:
    vocabulary = data.vocabulary("bytes")
    prompts = [
        prompt.ljust(PROMPT_BYTES, "#") for prompt in cut_prompts(data.documents("validation"), 5, PROMPT_BYTES, 40)
    ]
    assert {len(vocabulary.encode(prompt)) for prompt in prompts} == {PROMPT_BYTES}
    decoder = Decoder(tiny(), seed=0)
    with torch.no_grad():
        assert decoder.head is not None
        decoder.embedding.weight.fill_(1.0)
        decoder.head.weight.zero_()
        decoder.head.weight[ord("x")] = 1.0  # against a state of ones: always an x, never an end of text
    texts, longest = complete(decoder, vocabulary, prompts, SAMPLED, 40)
    assert longest == 40
    assert texts == ["x" * 40] * 5


def test_a_split_too_short_for_the_prompts_is_an_error(data: PreparedData) -> None:
    settings = SETTINGS.model_copy(update={"num_prompts": 1_000_000})
    with pytest.raises(CorpusError, match=r"different prompts of 24 bytes .* 1000000 are needed"):
        evaluate(model(), data.vocabulary("bytes"), data, "validation", settings, PROMPT_BYTES)


def test_bits_are_shared_among_bytes_where_a_character_has_several(data: PreparedData, tmp_path: Path) -> None:
    lines = [
        f"# \u00e9 \u00fc \u8a9e {number:03d}\nx_{number:03d} = f(y)\n" for number in range(150)
    ]  # 16 and 13 bytes
    text = "".join(lines)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "validation.bin").write_text(f"{text}\0", encoding="utf-8")
    write_novel(tmp_path, [False] * (150 * (16 + 13) + 1))
    settings = SETTINGS.model_copy(update={"num_prompts": 1, "validation_bytes": 100_000})
    evaluation = evaluate(
        model(), data.vocabulary("bytes"), PreparedData(tmp_path, ()), "validation", settings, PROMPT_BYTES
    )
    assert evaluation.metrics.num_bytes == 150 * (16 + 13) + 1
    assert (evaluation.metrics.novel_bpb, evaluation.metrics.novel_num_bytes) == (None, 0)
