"""The verdict: the best trials and the references are trained again with fresh seeds and evaluated on the holdout.

The best of many trials is partly best by luck, the more so the more trials there were. Fresh seeds, evaluated on data
that the search never looked at, remove that luck.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from nas.errors import StudyError
from nas.records.study import HoldoutResult
from nas.records.trial import TrialRecord, completed
from nas.search.executors.executor import Executor, run_tasks
from nas.search.rungs.feasibility import is_feasible
from nas.search.train_and_evaluate import TrainAndEvaluate
from nas.space.search_space import SearchSpace
from nas.space.sections import VerdictSection
from nas.training.batches import derived_seed


def finalists(records: Sequence[TrialRecord], space: SearchSpace) -> list[TrialRecord]:
    """Return the best trials by validation fitness, then the references that are not among them, stopped or not.

    References over a measured limit are left out. The list is empty if no trial reached the top rung.
    """
    best = completed(records)[: space.verdict.num_finalists]
    references = [
        record for record in records if record.reference is not None and record.rungs and is_feasible(record, space)
    ]
    return best + [record for record in references if record not in best] if best else []


def final_seeds(seed: int, section: VerdictSection) -> list[int]:
    """Return the seeds of the verdict, with which the search with `seed` has not trained."""
    return [derived_seed("finalists", seed, index) % 2**31 for index in range(section.num_seeds)]


def is_complete_verdict(
    records: Sequence[TrialRecord], known: Sequence[HoldoutResult], space: SearchSpace, seed: int
) -> bool:
    """Return whether `known` is the whole verdict on these trials."""
    seeds = final_seeds(seed, space.verdict)
    wanted = {(finalist.number, final_seed) for finalist in finalists(records, space) for final_seed in seeds}
    return wanted == {(result.number, result.seed) for result in known}


def evaluate_finalists(
    records: Sequence[TrialRecord],
    known: Sequence[HoldoutResult],
    space: SearchSpace,
    objective: TrainAndEvaluate,
    pool: Executor,
    keep: Callable[[tuple[HoldoutResult, ...]], None],
) -> tuple[HoldoutResult, ...]:
    """Return the holdout results of all finalists, best validation fitness first; `known` ones are not repeated.

    `keep` is called with all results so far after each new one.
    """
    results = {(result.number, result.seed): result for result in known}
    seeds = final_seeds(objective.settings.seed, space.verdict)
    wanted = [(record, seed) for record in finalists(records, space) for seed in seeds]
    missing = (
        (record.number, partial(objective.holdout, record, seed))
        for record, seed in wanted
        if (record.number, seed) not in results
    )
    for result in run_tasks(pool, missing):
        if not isinstance(result.value, HoldoutResult):
            raise StudyError(f"the holdout verdict on trial {result.key} failed: {result.error}; run the command again")
        results[result.value.number, result.value.seed] = result.value
        keep(tuple(results.values()))
    return tuple(results[record.number, seed] for record, seed in wanted)
