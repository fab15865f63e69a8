from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.corpus.recipe import find_recipe
from nas.export.model_card import model_card
from nas.export.run_facts import RunFacts
from nas.inference.language_model import LanguageModel
from nas.tokenizer.vocabulary import Vocabulary
from tests.export.test_run_facts import METRICS, line
from tests.helpers.checkpoints import architecture, language_model, perturbed_decoder
from tests.helpers.tiny_models import recipe

COMMAND = "python -m nas.export runs/mine --to hf"
EVALUATION = line(8, 2.0).model_copy(update={"val_novel_bpb": None})


def card(model: LanguageModel | None = None, **facts: Any) -> str:
    run_facts = RunFacts(Path("runs/mine/best.safetensors"), **facts)
    return model_card(model or language_model(activation="swiglu"), run_facts, "LlamaForCausalLM", Path("out"), COMMAND)


def headings(text: str) -> list[str]:
    return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]


def test_unknown_facts_are_left_out() -> None:
    text = card()
    assert headings(text) == ["Architecture", "Limits", "Use", "How this folder was made"]
    assert "None" not in text and "nan" not in text


def test_the_front_matter_is_yaml() -> None:
    text = card()
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["code", "python", "codenas"],
    }
    assert body.startswith("\n# mine\n\nA language model of Python code with ")


def test_the_architecture_is_a_table() -> None:
    model = language_model(activation="swiglu", num_kv_heads=2, qk_norm=True, tie_embeddings=True)
    text = card(model)
    assert f"with {model.model.config.num_params:,} parameters" in text
    for row in (
        "| heads | 4 of 8, 2 for keys and values |",
        "| feed-forward | gated, swiglu, 80 wide |",
        "| normalization | rmsnorm, before each part, and of queries and keys |",
        "| vocabulary | 400 tokens (bpe-400) |",
        "| output matrix | the embedding's |",
        "| longest input | 48 tokens |",
    ):
        assert f"\n{row}\n" in text


def test_results_are_those_of_the_log_and_the_holdout() -> None:
    text = card(evaluation=EVALUATION, holdout=METRICS, recipe=recipe())
    assert "| validation | 2.0000 |  |  |  |\n| holdout | 1.5000 | 1.7500 | 0.125 | 0.500 |\n" in text
    assert "12 steps of 64 tokens in sequences of 16, AdamW with a peak learning rate of 0.01, seed 5; " in text
    assert "these are the weights of step 8." in text


def test_the_packages_of_the_corpus_are_listed_with_their_licences() -> None:
    corpus_recipe = find_recipe("python-100mb")
    packages = {"numpy": {"documents": 3, "bytes": 1234}}
    corpus = {
        "recipe": corpus_recipe.model_dump(mode="json", exclude_none=True),
        "splits": {"train": {"documents": 4411, "bytes": 93_735_216}},
        "packages": {"train": packages},
    }
    text = card(corpus=corpus, corpus_hash="ab12")
    assert "The corpus `python-100mb`: 4,411 documents with 93,735,216 bytes for training" in text
    assert "\n| numpy | 2.4.6 | BSD-3-Clause | 1,234 |\n" in text
    assert text.count("| BSD-3-Clause |") == sum(
        getattr(source, "license", "") == "BSD-3-Clause" for source in corpus_recipe.sources
    )


def test_the_path_of_a_corpus_is_private() -> None:
    corpus = {"recipe": {"name": "/home/me/secret/code", "sources": [{"folder": "/home/me/secret/code"}]}}
    text = card(corpus=corpus, corpus_hash="ab12")
    assert "The corpus `code`: " in text and "secret" not in text
    assert "licence" not in text
    assert "A corpus whose content has the SHA-256 `ab12`." in card(corpus_hash="ab12")


def test_the_commands_are_in_their_order() -> None:
    assert card(command="python -m nas.train --arch-json a.json").endswith(
        f"## How this folder was made\n\n```\npython -m nas.train --arch-json a.json\n{COMMAND}\n```\n"
    )


@pytest.mark.parametrize(
    ("name", "text"), [("own", "the token 0 (NUL)"), ("starcoder", 'the token 1 (`"<|endoftext|>"`)')]
)
def test_the_end_of_a_document_is_described(name: str, text: str) -> None:
    from tests.helpers.foreign_tokenizers import FOREIGN_TOKENIZERS

    model = language_model()
    if name != "own":
        model = LanguageModel(perturbed_decoder(architecture(vocab_size=600)), Vocabulary(FOREIGN_TOKENIZERS[name]()))
    assert text in card(model)
