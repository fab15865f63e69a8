from __future__ import annotations

import importlib
import inspect
import json
import math
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from nas.evaluate.calibration import LENGTHS
from nas.evaluate.quality.junk import (
    ALPHABET,
    MODEL_FILE,
    THRESHOLDS_FILE,
    NgramOrder,
    build_model,
    count_ngrams,
    human_code_model,
    human_p99,
    is_junk,
    junk_bits,
    load_model,
    probabilities,
    save_model,
)

MODULES = (
    "argparse", "textwrap", "statistics", "fractions", "json.decoder", "heapq", "shlex", "string", "zipfile", "queue",
)  # fmt: skip
EVERY_CHARACTER = [chr(code) for code in range(ALPHABET)]
SPOILED = "The quick (brown) fox != 'jumps' over\n    {the: lazy} dogs; 12 = 7"


def snippets(num_chars: int) -> list[str]:
    sources = [inspect.getsource(importlib.import_module(name)) for name in MODULES]
    return [
        source[start : start + num_chars]
        for source in sources
        for start in range(0, len(source) - num_chars + 1, num_chars)[:20]
    ]


def junk_share(texts: list[str]) -> float:
    return sum(map(is_junk, texts)) / len(texts)


def last_probability(model: tuple[NgramOrder, ...], text: str) -> float:
    return float(probabilities(model, text)[-1])


def test_probabilities_of_a_tiny_model_are_those_computed_by_hand() -> None:
    model = build_model(count_ngrams(["abab"], (1, 1)))  # a 2, b 2; ab 2, ba 1, and the last b has nothing after it
    p_a = p_b = (2 + 2 / 129) / (4 + 2)
    p_c = (2 / 129) / (4 + 2)
    assert probabilities(model, "ab") == pytest.approx([p_a, (2 + 1 * p_b) / (2 + 1)])
    assert probabilities(model, "bac") == pytest.approx([p_b, (1 + (1 + 1) * p_a) / (2 + 1), p_c / (2 + 1)])
    assert probabilities(model, "ca") == pytest.approx([p_c, p_a])


def test_counts_of_rare_ngrams_go_to_shorter_contexts() -> None:
    model = build_model(count_ngrams(["aab", "aac"], (1, 2)))  # a 4, b 1, c 1; aa 2, while ab and ac are dropped
    p_b = (1 + 3 / 129) / (6 + 3)
    p_a = (4 + 3 / 129) / (6 + 3)
    assert last_probability(model, "aa") == pytest.approx((2 + (1 + 2) * p_a) / (4 + 1))
    assert last_probability(model, "ab") == pytest.approx((1 + 2) * p_b / (4 + 1))


def test_ngrams_do_not_reach_from_one_text_into_the_next() -> None:
    (_, pairs) = count_ngrams(["ab", "cd"], (1, 1))
    assert pairs.keys.tolist() == [ord("a") * 129 + ord("b"), ord("c") * 129 + ord("d")]
    assert pairs.counts.tolist() == [1, 1]


@pytest.mark.parametrize("context", ["", "a", "ba", "def f", "zq", "\x80", "return x\n", "    self."])
def test_probabilities_over_the_alphabet_sum_to_one(context: str) -> None:
    for model in (human_code_model(), build_model(count_ngrams(["def f(a): return a", "baba"], (1, 1, 2, 2)))):
        assert sum(last_probability(model, context + character) for character in EVERY_CHARACTER) == pytest.approx(1)


@pytest.mark.parametrize("least", [(1, 1, 1, 1, 1), (1, 2, 3, 3, 4)])
def test_probabilities_equal_those_of_a_model_written_with_dictionaries(least: tuple[int, ...]) -> None:
    texts = snippets(400)[:30]
    grams: Counter[str] = Counter()
    for length in range(1, len(least) + 1):
        seen = Counter(text[start : start + length] for text in texts for start in range(len(text) - length + 1))
        grams.update({gram: count for gram, count in seen.items() if count >= least[length - 1]})
    grams[""] = sum(map(len, texts))

    def p(character: str, context: str) -> float:
        shorter = p(character, context[1:]) if context else 1 / ALPHABET
        if context not in grams:
            return shorter
        after = [context + character for character in EVERY_CHARACTER if context + character in grams]
        dropped = grams[context] - sum(grams[longer] for longer in after)
        own = grams.get(context + character, 0)
        return (own + (len(after) + dropped) * shorter) / (grams[context] + len(after))

    width = len(least) - 1
    expected = [p(character, SPOILED[max(0, place - width) : place]) for place, character in enumerate(SPOILED)]
    assert probabilities(build_model(count_ngrams(texts, least)), SPOILED) == pytest.approx(expected)


def test_a_stored_model_is_read_back_as_it_was(tmp_path: Path) -> None:
    ngrams = count_ngrams(snippets(200), (1, 1, 2, 4))
    save_model(tmp_path / "model.npz", ngrams)
    for stored, made in zip(load_model(tmp_path / "model.npz"), build_model(ngrams), strict=True):
        assert np.array_equal(stored.keys, made.keys)
        assert np.array_equal(stored.added, made.added) and np.array_equal(stored.backoff, made.backoff)


def test_bits_are_the_mean_over_the_characters_and_none_for_no_text() -> None:
    bits = [-math.log2(probability) for probability in probabilities(human_code_model(), "import os\n")]
    assert junk_bits("import os\n") == pytest.approx(sum(bits) / 10)
    assert junk_bits("") == 0.0


def test_all_characters_outside_ascii_cost_the_same() -> None:
    assert junk_bits("x = 'é'") == junk_bits("x = '🖖'") == junk_bits("x = '\ud800'") != junk_bits("x = 'e'")


def test_thresholds_go_with_the_logarithm_of_the_length_and_stay_beyond_the_ends() -> None:
    p99s = json.loads(THRESHOLDS_FILE.read_text())["p99_bits"]
    assert [human_p99(length) for length in LENGTHS] == p99s
    assert human_p99(1) == p99s[0] and human_p99(10_000) == p99s[-1]
    assert human_p99(160) == pytest.approx(p99s[1] + (p99s[2] - p99s[1]) * math.log(160 / 128) / math.log(200 / 128))


def test_a_text_shorter_than_the_shortest_length_is_never_junk() -> None:
    letters = "".join(random.Random(0).choices("qxzjkvwQXZJ{%~", k=64))
    assert is_junk(letters) and not is_junk(letters[:63])
    assert not is_junk("")


@pytest.mark.parametrize("num_chars", [200, 400, 800])
def test_human_code_is_not_junk(num_chars: int) -> None:
    assert junk_share(snippets(num_chars)) <= 0.015  # measured: 1 of 200, none, none


@pytest.mark.parametrize("num_chars", [200, 400, 800])
def test_shuffled_characters_are_junk(num_chars: int) -> None:
    rng = random.Random(0)
    shuffled = ["".join(rng.sample(text, num_chars)) for text in snippets(num_chars)]
    assert junk_share(shuffled) >= 0.98  # measured: all but one of 200 at the shortest


@pytest.mark.parametrize("num_chars", [200, 400, 800])
def test_shuffled_tokens_are_junk_most_of_the_time(num_chars: int) -> None:
    rng = random.Random(0)
    tokens = [re.findall(r"\w+|\s+|[^\w\s]", text) for text in snippets(num_chars)]
    share = junk_share(["".join(rng.sample(text, len(text))) for text in tokens])
    assert share > 0.6  # measured: 71%, 75%, 88%; not all, for tables of names cost people as much


def test_the_model_is_small() -> None:
    assert MODEL_FILE.stat().st_size < 600_000
