from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from nas.errors import CorpusError
from nas.training.batches import Batches, derived_seed


def windows_of(batches: Batches, first: int, count: int, batch_size: int) -> list[tuple[int, ...]]:
    """Return the input rows of `count` windows from window `first` on."""
    rows = []
    for index in range(first, first + count):
        rows.append(tuple(batches.at(index // batch_size)[0][index % batch_size].tolist()))
    return rows


@pytest.mark.parametrize(("num_tokens", "seq_length"), [(101, 10), (100, 10), (109, 10), (20, 10), (57, 8), (64, 3)])
def test_an_epoch_visits_windows_that_share_no_input_once_each(num_tokens: int, seq_length: int) -> None:
    tokens = np.arange(num_tokens, dtype=np.uint16)
    batches = Batches(tokens, batch_size=1, seq_length=seq_length, seed=3)
    count = (num_tokens - seq_length) // seq_length
    for epoch in range(4):
        rows = windows_of(batches, epoch * count, count, 1)
        seen = Counter(token for row in rows for token in row)
        assert set(seen.values()) == {1}
        assert len(seen) == count * seq_length  # all but the tokens before the offset and after the last window
        assert max(seen) - min(seen) + 1 == len(seen)


def test_over_many_epochs_every_token_is_a_target_but_the_first() -> None:
    tokens = np.arange(64, dtype=np.uint16)
    batches = Batches(tokens, batch_size=7, seq_length=8, seed=0)
    targets = torch.cat([batches.at(step)[1].flatten() for step in range(100)])
    assert set(targets.tolist()) == set(range(1, 64))


def test_targets_are_the_inputs_shifted_by_one() -> None:
    tokens = np.random.default_rng(0).integers(0, 60_000, 500).astype(np.uint16)
    inputs, targets = Batches(tokens, batch_size=4, seq_length=16, seed=1).at(5)
    assert inputs.shape == targets.shape == (4, 16)
    assert inputs.dtype == targets.dtype == torch.int64
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    stream = tokens.tolist()
    for row, target in zip(inputs.tolist(), targets[:, -1].tolist(), strict=True):
        start = next(i for i in range(len(stream)) if stream[i : i + 16] == row)
        assert stream[start + 16] == target


def test_a_batch_is_a_function_of_its_step_alone() -> None:
    tokens = np.arange(300, dtype=np.uint16)

    def batches() -> Batches:
        return Batches(tokens, batch_size=4, seq_length=16, seed=1)

    in_order = batches()
    expected = [in_order.at(step)[0] for step in range(20)]  # an epoch is 17 windows, so this crosses several
    assert all(torch.equal(batches().at(step)[0], expected[step]) for step in range(20))
    backwards = batches()
    assert all(torch.equal(backwards.at(step)[0], expected[step]) for step in reversed(range(20)))


def test_epochs_differ_in_order_and_in_offset() -> None:
    tokens = np.arange(320, dtype=np.uint16)
    batches = Batches(tokens, batch_size=1, seq_length=16, seed=1)
    epochs = [windows_of(batches, epoch * 19, 19, 1) for epoch in range(6)]
    assert len({tuple(rows) for rows in epochs}) == 6
    assert len({min(row[0] for row in rows) for rows in epochs}) > 1
    assert all(rows != sorted(rows) for rows in epochs)


def test_another_seed_is_another_order() -> None:
    tokens = np.arange(320, dtype=np.uint16)
    first, second = (Batches(tokens, batch_size=8, seq_length=16, seed=seed).at(0)[0] for seed in (0, 1))
    assert not torch.equal(first, second)


def test_a_batch_may_be_larger_than_an_epoch() -> None:
    inputs, _ = Batches(np.arange(32, dtype=np.uint16), batch_size=10, seq_length=16, seed=0).at(0)
    assert inputs.shape == (10, 16)


@pytest.mark.parametrize("num_tokens", [0, 1, 16, 31])
def test_a_stream_shorter_than_two_windows_is_refused(num_tokens: int) -> None:
    with pytest.raises(CorpusError, match=rf"{num_tokens} tokens; a window of 16"):
        Batches(np.zeros(num_tokens, dtype=np.uint16), batch_size=1, seq_length=16, seed=0)


def test_seeds_are_of_63_bits_and_stay_as_they_are() -> None:
    # SHA-256 of "batches/0/1", its first 8 bytes little-endian, halved.
    assert derived_seed("batches", 0, 1) == 6444217414588030039
    seeds = [derived_seed("batches", seed, epoch) for seed in range(20) for epoch in range(20)]
    assert len(set(seeds)) == 400
    assert all(0 <= seed < 1 << 63 for seed in seeds)
