"""The verdict: the best trials and the references, trained again with fresh seeds, on the holdout.

What a search ranks best is partly best by luck, the more so the more it tried. Fresh seeds on data that it never looked
at have none of that luck.
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
    """The best by fitness on validation, then the references that are not among them, stopped at a rung or not.

    None where no trial came to the top, and no reference that was found over a measured limit.
    """
    best = completed(records)[: space.verdict.num_finalists]
    references = [one for one in records if one.reference is not None and one.rungs and is_feasible(one, space)]
    return best + [one for one in references if one not in best] if best else []


def final_seeds(seed: int, section: VerdictSection) -> list[int]:
    """Seeds that the search with `seed` has not trained with."""
    return [derived_seed("finalists", seed, index) % 2**31 for index in range(section.num_seeds)]


def is_complete_verdict(
    records: Sequence[TrialRecord], known: Sequence[HoldoutResult], space: SearchSpace, seed: int
) -> bool:
    """Whether `known` is the whole verdict on these trials."""
    wanted = {(one.number, fresh) for one in finalists(records, space) for fresh in final_seeds(seed, space.verdict)}
    return wanted == {(one.number, one.seed) for one in known}


def evaluate_finalists(
    records: Sequence[TrialRecord],
    known: Sequence[HoldoutResult],
    space: SearchSpace,
    objective: TrainAndEvaluate,
    pool: Executor,
    keep: Callable[[tuple[HoldoutResult, ...]], None],
) -> tuple[HoldoutResult, ...]:
    """Holdout results of all finalists, best validation fitness first; those in `known` are not judged again.

    `keep` is called with all there are whenever one has come.
    """
    results = {(one.number, one.seed): one for one in known}
    seeds = final_seeds(objective.settings.seed, space.verdict)
    wanted = [(one, seed) for one in finalists(records, space) for seed in seeds]
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
    return tuple(results[one.number, seed] for one, seed in wanted)
