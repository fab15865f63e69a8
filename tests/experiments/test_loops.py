from __future__ import annotations

import re

import pytest

from experiments.collapse_detector.loops import DAMAGES, KINDS, synthetic_loop

MATERIAL = [f"def name_{letter}(self, value):\n    return self.{letter} + value\n\n" * 8 for letter in "abcdefgh"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("num_chars", [64, 200])
def test_a_loop_has_its_length_and_is_the_same_for_the_same_seed(kind: str, damage: str, num_chars: int) -> None:
    texts = [synthetic_loop(kind, damage, num_chars, MATERIAL, f"{number}") for number in range(10)]
    assert {len(text) for text in texts} == {num_chars}
    assert texts == [synthetic_loop(kind, damage, num_chars, MATERIAL, f"{number}") for number in range(10)]
    assert len(set(texts)) > 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "counting" not in kind])
def test_a_pure_loop_is_one_unit_at_least_three_times(kind: str) -> None:
    for number in range(20):
        text = synthetic_loop(kind, "pure", 120, MATERIAL, f"{number}")
        assert any(text[period:] == text[:-period] for period in range(1, 41)), text


def test_a_counting_loop_counts() -> None:
    text = synthetic_loop("phrase, counting", "pure", 400, ["value of the field"], "1")
    numbers = [int(digits) for digits in re.findall(r"\d+", text)][:-1]  # the last one may be cut
    assert len(numbers) >= 3
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_noise_replaces_a_twentieth_of_the_visible_characters() -> None:
    pure = synthetic_loop("line", "pure", 800, MATERIAL, "7")
    noisy = synthetic_loop("line", "noise", 800, MATERIAL, "7")
    changed = [(before, after) for before, after in zip(pure, noisy, strict=True) if before != after]
    assert 10 <= len(changed) <= 70
    assert not any(before.isspace() for before, _ in changed)


def test_a_loop_begins_half_way_after_healthy_code() -> None:
    text = synthetic_loop("token", "half-way", 100, MATERIAL, "3")
    assert any(text[:50] in text_of_material for text_of_material in MATERIAL)
    assert any(text[50 + period :] == text[50:-period] for period in range(1, 17))
