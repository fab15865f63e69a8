"""`run_study`: search with anything as the objective, a table of known results or a trainer of one's own."""

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
from nas.search.proposals.sampler import DistinctSampler
from nas.search.proposals.samplers import chosen_sampler
from nas.search.storage import open_study
from nas.search.trial_attributes import ended_records
from nas.search.trials import Observer, Trials
from nas.space.search_space import Candidate, SearchSpace
from nas.space.sections import BYTES_VOCAB_SIZE, TrainingSection
from nas.training.recipe import rung_cost
from nas.trial.task import RungTask


@dataclass(frozen=True)
class Scores:
    """What an objective says of one candidate at one fidelity."""

    val_bpb: float
    """Bits per byte, or whatever is minimised in their place: it is compared within a study alone."""
    collapse_rate: float = 0.0
    """0 to 1; its price is the space's collapse_weight."""


ScoreCandidate = Callable[[Candidate, float, int], Scores]
"""(candidate, training FLOPs, seed) -> Scores. An exception makes the trial FAIL, for the reason of its first line."""


@dataclass(frozen=True)
class StudyResult:
    """The trials of a study, by number."""

    records: tuple[TrialRecord, ...]
    objectives: tuple[str, ...]
    study: optuna.Study
    """For Optuna's own plots and tables."""

    @property
    def best(self) -> TrialRecord | None:
        """The COMPLETE trial of the lowest fitness."""
        return next(iter(completed(self.records)), None)

    @property
    def front(self) -> list[TrialRecord]:
        """The COMPLETE trials that no other beats in all objectives, best fitness first."""
        return front_in(self.records, metrics_of(self.objectives))

    @property
    def spent_flops(self) -> float:
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
    """Search `space` until `budget`, as `python -m nas.search` does, with `objective` in the place of training.

    The objective is called once for each rung of [training] that a trial comes to, in this process or, with
    `num_workers`, in others, for which it must be picklable. `vocabulary_sizes` maps the names of vocabularies to
    their tokens, where they are not what their names say ("char", "gpt2", a corpus that ends a BPE early). Without
    `storage`, a database URL, the study is kept in memory; with it, one of that name is gone on with.

    Without a `sampler` the law proposes where it tells of the objective, or a GP where there are several; for these
    rungs are no gain, and `nas.search` goes without.

    Raises UsageError for unknown samplers and objectives, SpaceError when the space is empty, StudyError when five
    trials in a row failed.
    """
    metrics = metrics_of(objectives)
    if unmeasured := [one.name for one in metrics if one.reruns_differ]:
        raise UsageError(f"run_study measures no {unmeasured[0]}; leave it out of the objectives")
    sampler = chosen_sampler(sampler, objectives)
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
    """An objective of scores as one of records, with the costs that are known by formula."""

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
    """An observer that says nothing."""

    def trial_started(self, number: int, description: str) -> None: ...
    def rung_ended(self, number: int, result: RungResult, num_rungs: int) -> None: ...
    def trial_ended(self, record: TrialRecord) -> None: ...


def _sizes(space: SearchSpace, known: Mapping[str, int]) -> dict[str, int]:
    """The tokens of each vocabulary of the space; UsageError where neither its name nor the caller says."""
    sizes = {}
    for name in space.vocabulary_names:
        said = BYTES_VOCAB_SIZE if name == "bytes" else name.removeprefix("bpe-")
        if name not in known and not str(said).isdecimal():
            raise UsageError(f"how many tokens has the vocabulary '{name}'? Say so in vocabulary_sizes")
        sizes[name] = known.get(name) or int(said)
    return sizes


def _nothing() -> None: ...


def _forget(record: TrialRecord) -> None: ...
