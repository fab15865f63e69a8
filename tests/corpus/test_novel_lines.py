from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from nas.corpus.novel_lines import novel_bytes, seen_line_share, seen_lines

TRAINING = "import os\n\tthe_license = 'as it is'  \nother_name = compute(1)\n"
EVALUATION = "the_license = 'as it is'\nimport os\n    new_name = compute(2)\n"


def marks(mask: np.ndarray) -> str:
    return "".join("1" if is_novel else "0" for is_novel in mask)


def test_three_lines_by_hand() -> None:
    seen = seen_lines([EVALUATION], [TRAINING])
    assert seen == {"the_license = 'as it is'"}
    # 24 + 1 seen bytes, 9 + 1 of a short line, 4 + 21 + 1 novel with indentation and line feed, and the NUL.
    assert marks(novel_bytes([EVALUATION], seen)) == "0" * 25 + "0" * 10 + "1" * 26 + "0"
    assert seen_line_share([EVALUATION], seen) == 1 / 2


@pytest.mark.parametrize(("length", "counts"), [(19, False), (20, True)])
def test_a_line_counts_from_twenty_characters_without_the_space_around_it(length: int, counts: bool) -> None:
    text = f"\t   {'x' * length}   "
    assert novel_bytes([text], set()).sum() == (len(text) + 1 - 1 if counts else 0)
    assert len(seen_lines([text], ["x" * length])) == counts


def test_characters_count_for_the_length_and_bytes_for_the_mask() -> None:
    nineteen, twenty = "é" * 19, "語" * 20
    assert marks(novel_bytes([f"{nineteen}\n{twenty}\nx"], set())) == "0" * 39 + "1" * 61 + "0" * 2


def test_each_document_ends_with_a_nul_that_belongs_to_no_line() -> None:
    line = "a" * 25
    assert marks(novel_bytes([line, "", f"{line}\n"], set())) == "1" * 25 + "0" + "0" + "1" * 26 + "0"
    assert novel_bytes([], set()).shape == (0,)


def test_a_form_feed_ends_no_line() -> None:
    assert marks(novel_bytes([f"{'a' * 10}\x0c{'b' * 10}\u2028c"], set())) == "1" * 25 + "0"


def test_a_line_with_one_name_changed_is_novel() -> None:
    assert seen_lines(["return first(the_value)"], ["return other(the_value)"]) == set()


def test_repeated_lines_count_each_time_and_without_lines_nothing_is_seen() -> None:
    copied, new = "copied = everywhere(1)", "novel = nowhere_else(2)"
    documents = [f"{copied}\n{new}\n  {copied}\n", copied]
    assert seen_line_share(documents, seen_lines(documents, [copied])) == 3 / 4
    assert seen_line_share(["short\n"], set()) == 0


def test_a_text_that_training_showed_has_no_novel_line() -> None:
    documents = [EVALUATION, TRAINING]
    seen = seen_lines(documents, reversed(documents))
    assert not novel_bytes(documents, seen).any()
    assert seen_line_share(documents, seen) == 1


def test_training_documents_are_read_one_by_one() -> None:
    class Text(str):
        """A string that can be weakly referenced."""

    yielded: list[weakref.ref[Text]] = []

    def stream() -> Iterator[str]:
        for number in range(50):
            # The generator and the caller hold the latest document only.
            assert sum(reference() is not None for reference in yielded) <= 1
            text = Text(f"copied_line = number({number:03d})\n")
            yielded.append(weakref.ref(text))
            yield text

    evaluation = "copied_line = number(049)\ncopied_line = number(050)"
    assert seen_lines([evaluation], stream()) == {"copied_line = number(049)"}
