"""`run_study`: search with any Python function as the objective, such as a table of results or another trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import optuna

from nas.errors import UsageError
from nas.records.fitness import fitness
from nas.records.trial import Cost, RungResult, TrialEnd, TrialRecord, completed
from nas.search.driver import Budget, run_trials
from nas.search.executors.executor import InProcess
from nas.search.executors.workers import WorkerPool
from nas.search.objectives import DEFAULT_OBJECTIVES, front_in, metrics_of
from nas.search.proposals.distinct_sampler import DistinctSampler
from nas.search.proposals.samplers import choose_sampler
from nas.search.storage import open_study
from nas.search.trial_attributes import ended_records
from nas.search.trials import Observer, Trials
from nas.space.search_space import Candidate, SearchSpace
from nas.space.sections import BYTES_VOCAB_SIZE, TrainingSection
from nas.training.recipe import rung_cost
from nas.trial.task import RungTask


@dataclass(frozen=True)
class Scores:
    """Scores of one candidate at one training budget, as an objective returns them."""

    val_bpb: float
    """Bits per byte, or another figure to minimise; it is compared only within a study."""
    collapse_rate: float = 0.0
    """0 to 1; the space's collapse_weight is its price in the fitness."""


ScoreCandidate = Callable[[Candidate, float, int], Scores]
"""(candidate, training FLOPs, seed) -> Scores; an exception makes the trial FAIL with its first line as the reason."""


@dataclass(frozen=True)
class StudyResult:
    """The trials of a study, by number."""

    records: tuple[TrialRecord, ...]
    objectives: tuple[str, ...]
    study: optuna.Study
    """The Optuna study, for Optuna's own plots and tables."""

    @property
    def best(self) -> TrialRecord | None:
        """The COMPLETE trial with the lowest fitness."""
        return next(iter(completed(self.records)), None)

    @property
    def front(self) -> list[TrialRecord]:
        """The COMPLETE trials that no other dominates in the objectives, best fitness first."""
        return front_in(self.records, metrics_of(self.objectives))

    @property
    def spent_flops(self) -> float:
        """Training FLOPs of all rungs of all trials."""
        return sum(rung.spent_flops for record in self.records for rung in record.rungs)


def run_study(
    space: SearchSpace,
    objective: ScoreCandidate,
    budget: Budget,
    *,
    seed: int = 0,
    sampler: str | None = None,
    objectives: Sequence[str] = DEFAULT_OBJECTIVES,
    vocabulary_sizes: Mapping[str, int] | None = None,
    num_workers: int = 0,
    storage: str | None = None,
    name: str = "study",
    observer: Observer | None = None,
) -> StudyResult:
    """Search `space` until `budget` is reached, as `python -m nas.search` does, with `objective` instead of training.

    The objective is called once for each rung of [training] that a trial reaches. With `num_workers` it runs in other
    processes and must be picklable. `vocabulary_sizes` maps names of vocabularies to their numbers of tokens, needed
    where the name does not tell ("char", "gpt2", a corpus that ends a BPE early). `storage` is a database URL, where a
    study of that name is resumed; without it the study is kept in memory.

    The default `sampler` is the scaling law for one objective that it can predict, and a GP for several objectives.
    Rungs do not help with several objectives, and `nas.search` uses none there.

    Raises UsageError for unknown samplers and objectives, SpaceError if the space is empty, StudyError if five
    trials in a row fail.
    """
    metrics = metrics_of(objectives)
    if unmeasured := [metric.name for metric in metrics if metric.reruns_differ]:
        raise UsageError(f"run_study does not measure {unmeasured[0]}; leave it out of the objectives")
    sampler = choose_sampler(sampler, objectives)
    sizes = _sizes(space, vocabulary_sizes or {})
    proposer = DistinctSampler(space, sizes, seed, sampler, metrics)
    identity = {
        "space": space.model_dump(mode="json", exclude={"name"}),
        "vocabulary_sizes": sizes,
        "seed": seed,
        "sampler": sampler,
        "objectives": list(objectives),
    }
    study = open_study(name, storage, space, proposer, identity, len(metrics))
    scored = _Scored(objective, space.training, space.evaluation.collapse_weight, seed)
    trials = Trials(study, space, proposer, metrics, seed, observer or SilentObserver(), _forget)
    with WorkerPool(num_workers, _nothing) if num_workers else nullcontext(InProcess()) as executor:
        run_trials(trials, scored, executor, budget)
    return StudyResult(tuple(ended_records(study)), tuple(objectives), study)


@dataclass(frozen=True)
class _Scored:
    """Wraps an objective that returns Scores as one that returns records, with the costs known by formula."""

    objective: ScoreCandidate
    training: TrainingSection
    collapse_weight: float
    seed: int

    def __call__(self, task: RungTask) -> TrialRecord:
        candidate, train_flops = task.candidate, self.training.rung_flops[task.rung]
        scores = self.objective(candidate, train_flops, self.seed)
        architecture = candidate.architecture
        per_token = architecture.train_flops_per_token(self.training.max_seq_length)
        tokens = int(train_flops / per_token)
        result = RungResult(
            rung=task.rung,
            train_flops=train_flops,
            train_bytes=None,
            spent_flops=rung_cost(self.training.rung_flops, task.rung),
            fitness=fitness(scores.val_bpb, scores.collapse_rate, self.collapse_weight),
            val_bpb=scores.val_bpb,
            collapse_rate=scores.collapse_rate,
        )
        return TrialRecord(
            number=task.number,
            end=TrialEnd.COMPLETE,
            reference=task.reference,
            point=candidate.point,
            architecture=architecture,
            vocabulary=candidate.vocabulary,
            lr_multiplier=candidate.lr_multiplier,
            seed=self.seed,
            cost=Cost(
                num_params=architecture.num_params,
                non_embedding_params=architecture.non_embedding_params,
                train_flops_per_token=per_token,
                train_flops=train_flops,
                train_tokens=tokens,
                train_bytes=None,
                train_steps=tokens // self.training.batch_tokens,
            ),
            rungs=(result,),
        )


class SilentObserver:
    """An observer that ignores every event."""

    def trial_started(self, number: int, description: str) -> None: ...
    def rung_ended(self, number: int, result: RungResult, num_rungs: int) -> None: ...
    def trial_ended(self, record: TrialRecord) -> None: ...


def _sizes(space: SearchSpace, known: Mapping[str, int]) -> dict[str, int]:
    """Return the size of each vocabulary of the space; UsageError if neither its name nor the caller tells it."""
    sizes = {}
    for name in space.vocabulary_names:
        size = str(BYTES_VOCAB_SIZE) if name == "bytes" else name.removeprefix("bpe-")
        if name not in known and not size.isdecimal():
            raise UsageError(f"the size of the vocabulary '{name}' is not known; give it in vocabulary_sizes")
        sizes[name] = known.get(name) or int(size)
    return sizes


def _nothing() -> None: ...


def _forget(record: TrialRecord) -> None: ...
