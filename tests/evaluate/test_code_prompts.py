from __future__ import annotations

import pytest
import torch

from nas.data.prepared import PreparedData
from nas.errors import CorpusError
from nas.evaluate.code_prompts import cut_prompts, prompt_uniforms

TEXT = """import os


def first(a):
    return a + 1

x = 1
class Second:
    value: int = 3
print(first(x), Second)"""


@pytest.mark.parametrize("max_bytes", [24, 56, 200])
def test_prompts_of_real_code_are_distinct_whole_lines_that_fit(data: PreparedData, max_bytes: int) -> None:
    documents = data.documents("validation")
    prompts = cut_prompts(documents, 100, max_bytes, 60)
    assert len(prompts) == len(set(prompts)) == 100
    for prompt in prompts:
        assert len(prompt.encode()) <= max_bytes
        assert not prompt.startswith("\n")
        assert len(prompt.rpartition("\n")[2].strip()) >= 8
        assert any(f"\n{prompt}\n" in f"\n{text}" for text in documents)


def test_a_prompt_holds_as_many_lines_as_fit() -> None:
    assert set(cut_prompts([TEXT], 5, 1000, 60)) == {
        "import os",
        "import os\n\n\ndef first(a):",
        "import os\n\n\ndef first(a):\n    return a + 1",
        "import os\n\n\ndef first(a):\n    return a + 1\n\nx = 1\nclass Second:",
        "import os\n\n\ndef first(a):\n    return a + 1\n\nx = 1\nclass Second:\n    value: int = 3",
    }
    assert set(cut_prompts([TEXT], 5, 30, 60)) == {
        "import os",
        "import os\n\n\ndef first(a):",
        "def first(a):\n    return a + 1",  # 30 bytes, and the empty line before would make 31
        "x = 1\nclass Second:",
        "    value: int = 3",
    }


@pytest.mark.parametrize(
    "rest",
    [
        "y = = 3\n",  # no Python
        "\n\n\n\n",  # nothing
        "go(x)\n" * 12,  # a loop
    ],
)
def test_a_prompt_whose_real_continuation_is_not_healthy_python_is_left_out(rest: str) -> None:
    with pytest.raises(CorpusError, match="only 0 different prompts"):
        cut_prompts([f"x = sum(values)\n{rest}"], 1, 15, 60)
    assert cut_prompts(["x = sum(values)\ny = max(values)\nprint(x, y)\n"], 1, 15, 60)


def test_bytes_and_not_characters_are_counted() -> None:
    text = "first_line = 1\nsecond = 'ééé'\nthird = 2\n"
    assert set(cut_prompts([text], 2, 31, 60)) == {"first_line = 1", "first_line = 1\nsecond = 'ééé'"[15:]}
    assert set(cut_prompts([text], 2, 32, 60)) == {"first_line = 1", "first_line = 1\nsecond = 'ééé'"}


def test_the_same_prompts_every_time_and_fewer_are_the_first_of_more(data: PreparedData) -> None:
    documents = data.documents("validation")
    prompts = cut_prompts(documents, 60, 100, 60)
    assert cut_prompts(documents, 60, 100, 60) == prompts
    assert cut_prompts(documents, 25, 100, 60) == prompts[:25]


def test_documents_take_turns() -> None:
    verbs = ["read", "write", "open", "close", "parse", "merge", "sort", "split"]
    documents = ["\n".join(f"document_{name}.{verb}(x)" for verb in verbs) + "\n" for name in "abc"]
    prompts = cut_prompts(documents, 9, 20, 60)
    assert [prompt[9] for prompt in prompts] == list("abcabcabc")


@pytest.mark.parametrize("num_prompts", [6, 1000])
def test_a_text_too_short_for_so_many_is_one_line(num_prompts: int) -> None:
    with pytest.raises(CorpusError, match=rf"only 5 different prompts of 1000 bytes .*; {num_prompts} are"):
        cut_prompts([TEXT], num_prompts, 1000, 60)


@pytest.mark.parametrize("documents", [[], [""], ["\n\n\n"], ["x\n" * 50], ["a_line_that_is_longer_than_the_prompt\n"]])
def test_texts_without_a_line_of_code_have_no_prompts(documents: list[str]) -> None:
    with pytest.raises(CorpusError, match="only 0 different prompts"):
        cut_prompts(documents, 1, 20, 60)


def test_uniforms_of_a_prompt_do_not_depend_on_how_many_prompts_there_are() -> None:
    many = prompt_uniforms(50, 40)
    assert many.shape == (50, 40)
    assert many.dtype == torch.float64
    assert torch.equal(prompt_uniforms(7, 40), many[:7])
    other = prompt_uniforms(50, 40, seed=1)
    assert torch.equal(prompt_uniforms(7, 40, seed=1), other[:7])
    assert not (other == many).any()


def test_uniforms_are_uniform_and_none_stands_twice() -> None:
    drawn = prompt_uniforms(200, 200)
    assert 0 <= float(drawn.min()) < 1e-3
    assert 0.999 < float(drawn.max()) < 1
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.01)
    assert len(drawn.unique()) == 200 * 200
