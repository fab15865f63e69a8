"""One `nas.search` from its options to its files: data, study, trials, verdict, exports."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import optuna

from nas.data import PreparedData, prepare_data
from nas.errors import StudyError, UsageError, unknown_name
from nas.finals import chosen_trial
from nas.records import HoldoutResult, StudyRecord, TrialRecord
from nas.space import SearchSpace, load_space
from nas.study.dashboard import Dashboard
from nas.study.driver import Budget
from nas.study.engine import DEFAULT_ENGINE, engine_of, plan_engine
from nas.study.export import export_architectures
from nas.study.folder import StudyFolder
from nas.study.identity import study_identity
from nas.study.objectives import DEFAULT_OBJECTIVES, metrics_of
from nas.study.on_ray import OnRay
from nas.study.prediction import TARGET_OVER_TOP, predict_target
from nas.study.proposers import SAMPLERS, default_sampler
from nas.study.provenance import provenance
from nas.study.references import REFERENCES
from nas.study.sampler import DistinctSampler
from nas.study.storage import close, database_errors, open_study, shown_url, sync
from nas.study.train_and_judge import TrainAndJudge
from nas.study.trial_attributes import ended_records
from nas.study.trials import Observer, Trials
from nas.study.verdict import is_judged, judge_finalists
from nas.trial.compressors import compressor_bpb
from nas.trial.judge import judging_prompts, most_prompts
from nas.trial.numerics import Numerics
from nas.trial.run import TrialSettings

SPLIT_SEED = 0
"""The split stays the same whatever --seed is, so that searches of different seeds are judged on the same data."""


class SessionObserver(Observer, Protocol):
    """An observer of trials that also hears what the session is doing."""

    def phase(self, text: str) -> None: ...


@dataclass(frozen=True)
class SearchOptions:
    """What a user asked for; None leaves a choice to the space or the machine."""

    space: str = "base"
    corpus: str = "stdlib"
    name: str | None = None
    out: Path = Path("trials")
    seed: int = 0
    workers: int | None = None
    device: str = "auto"
    trial_flops: float | None = None
    collapse_weight: float | None = None
    exportable: bool = False
    """Only architectures that a class of transformers represents."""
    budget: int | None = None
    hours: float | None = None
    storage: str | None = None
    keep_samples: bool = True
    sampler: str | None = None
    """One of nas.study.proposers, where it is not the default; `random` is the baseline that a search has to beat."""
    objectives: tuple[str, ...] = DEFAULT_OBJECTIVES
    num_rungs: int | None = None
    """Those of the space where it is None; one where there are several objectives."""
    target_flops: float | None = None
    """Of the full training that the search is for."""
    engine: str = DEFAULT_ENGINE
    """One of nas.study.engine; the three that follow are for `ray` alone, and explained there."""
    address: str | None = None
    cpus_per_trial: float | None = None
    gpus_per_trial: float | None = None
    command: str = ""


@dataclass(frozen=True)
class SearchPlan:
    """The options with every choice made; nothing is read or written yet."""

    options: SearchOptions
    sampler: str
    space: SearchSpace
    folder: StudyFolder
    num_workers: int | None
    """None: as many as the nodes of the Ray cluster hold."""
    numerics: Numerics
    on_ray: OnRay | None = None

    @property
    def workers(self) -> str:
        """In words."""
        if self.on_ray is None:
            return str(self.num_workers)
        most = f"{self.num_workers} at most" if self.num_workers else "as many as there is room for"
        return f"{most}, with {self.on_ray},"

    @property
    def database_url(self) -> str:
        return self.options.storage or self.folder.database_url

    @property
    def target_flops(self) -> float:
        return self.options.target_flops or TARGET_OVER_TOP * self.space.training.flops_per_trial

    @property
    def cost(self) -> str:
        """The greatest cost there can be, in words."""
        training, verdict = self.space.training, self.space.verdict
        trial = sum(map(training.spent_flops, range(training.num_rungs)))
        judged = verdict.num_finalists + len(REFERENCES) * (self.sampler != "random")
        final = judged * verdict.num_seeds * training.flops_per_trial
        finals = f"{judged} finalists with {verdict.num_seeds} seeds each"
        if self.options.budget is None:
            return f"{trial:.3g} training FLOPs a trial, and {final:.3g} for {finals}"
        trials = self.options.budget * trial
        parts = f"{self.options.budget} trials to the top {trials:.3g}, {finals} {final:.3g}"
        return f"{trials + final:.3g} training FLOPs: {parts}"

    @property
    def reruns_differ(self) -> bool:
        """Whether a clock or a machine has a say in what is searched."""
        metrics = metrics_of(self.options.objectives)
        return self.space.constraints.reruns_differ or any(one.reruns_differ for one in metrics)


@dataclass(frozen=True)
class SearchOutcome:
    """What a session leaves behind."""

    folder: StudyFolder
    study: StudyRecord
    records: list[TrialRecord]
    exported: list[Path]
    was_complete: bool
    """The study had its budget before this session started."""
    used_up: bool
    """The space had no other legal architecture, so the search ended before its budget."""


def plan_search(options: SearchOptions) -> SearchPlan:
    """Read the space, apply the flags, choose workers and numerics; a stored study keeps its numerics."""
    num_objectives = len(metrics_of(options.objectives))
    sampler = options.sampler or default_sampler(num_objectives)
    if sampler not in SAMPLERS:
        raise UsageError(unknown_name("sampler", sampler, SAMPLERS))
    space = load_space(options.space)
    num_rungs = options.num_rungs or (1 if num_objectives > 1 else None)
    asked = {"flops_per_trial": options.trial_flops, "num_rungs": num_rungs}
    training = space.training.model_copy(update={key: value for key, value in asked.items() if value is not None})
    space = space.model_copy(update={"training": training})
    if options.collapse_weight is not None:
        evaluation = space.evaluation.model_copy(update={"collapse_weight": options.collapse_weight})
        space = space.model_copy(update={"evaluation": evaluation})
    if options.exportable:
        space = space.only_exportable()
    folder = StudyFolder(options.out / (options.name or space.name))
    num_workers, numerics, on_ray = plan_engine(
        options.engine,
        options.workers,
        options.device,
        {
            "--address": options.address,
            "--cpus-per-trial": options.cpus_per_trial,
            "--gpus-per-trial": options.gpus_per_trial,
        },
    )
    if stored := folder.read_study():
        numerics = numerics.kept(stored.identity["numerics"])
    return SearchPlan(options, sampler, space, folder, num_workers, numerics, on_ray)


def run_search(plan: SearchPlan, observer: SessionObserver) -> SearchOutcome:
    """Run or go on with the study until its budget; every step can be killed and done again."""
    plan.folder.create()
    with plan.folder.locked(), database_errors(plan.database_url):
        return _Session(plan, observer).run()


class _Session:
    def __init__(self, plan: SearchPlan, observer: SessionObserver) -> None:
        self._plan = plan
        self._observer = observer
        self._measured: dict[str, float] = {}
        self._verdict: tuple[HoldoutResult, ...] = ()
        self._used_up = False
        if before := plan.folder.read_study():
            self._measured, self._verdict = dict(before.measured), before.verdict

    def run(self) -> SearchOutcome:
        plan, options, folder = self._plan, self._plan.options, self._plan.folder
        with self._phase("corpus", "reading the corpus"):
            data = prepare_data(
                options.corpus, plan.space.vocabulary_names, split_seed=SPLIT_SEED, progress=self._observer.phase
            )
            # A text without prompts is known now, not after each training.
            judging_prompts(data, "validation", plan.space.evaluation, plan.space.prompt_bytes)
            num_final_prompts = count_prompts(data, plan.space)
        metrics = metrics_of(options.objectives)
        sampler = DistinctSampler(plan.space, data.vocabulary_sizes, options.seed, plan.sampler, metrics)
        identity = study_identity(
            plan.space, data.corpus_hash, SPLIT_SEED, options.seed, plan.sampler, options.objectives, plan.numerics
        )
        study = open_study(folder.name, plan.database_url, plan.space, sampler, identity, len(metrics))
        try:
            return self._go_on(study, data, sampler, identity, num_final_prompts)
        finally:
            close(study)

    def _go_on(
        self,
        study: optuna.Study,
        data: PreparedData,
        sampler: DistinctSampler,
        identity: dict[str, Any],
        num_final_prompts: int,
    ) -> SearchOutcome:
        plan, options, folder = self._plan, self._plan.options, self._plan.folder
        records = ended_records(study)
        self._refuse_loss(records)
        folder.write_trials(records)
        was_complete = self._has_budget(records)
        summary = self._summary(data, identity)
        folder.write_study(summary)
        settings = TrialSettings(
            plan.space.training, plan.space.evaluation, plan.space.prompt_bytes, plan.numerics, options.seed
        )
        # Absolute, for workers of Ray have working folders of their own.
        shared = StudyFolder(folder.path.absolute()), PreparedData(data.folder.absolute(), data.vocabulary_names)
        objective = TrainAndJudge(*shared, settings, options.keep_samples, num_final_prompts)
        self._study = summary
        try:
            if not was_complete or not is_judged(records, self._verdict, plan.space.verdict, options.seed):
                self._work(study, sampler, objective)
        finally:
            records = ended_records(study)
            complete = self._used_up or self._has_budget(records)
            update = {"complete": complete, "verdict": self._verdict, "measured": dict(self._measured)}
            summary = summary.model_copy(update=update)
            folder.write_study(summary)
        folder.write_trials(records)
        summary = self._with_prediction(summary, records, data)
        folder.write_study(summary)
        return SearchOutcome(
            folder,
            summary,
            records,
            export_architectures(folder, summary, records, data),
            was_complete,
            self._used_up,
        )

    def _with_prediction(self, summary: StudyRecord, records: list[TrialRecord], data: PreparedData) -> StudyRecord:
        """The study's record with what the law says of the full budget; as it is where no trial completed."""
        chosen = chosen_trial(summary, records, summary.collapse_weight)
        if chosen is None:
            return summary
        with self._phase("prediction", "fitting the scaling law"):
            law, at_target = predict_target(records, chosen, self._plan.space, data, self._plan.target_flops)
        return summary.model_copy(update={"law": law, "at_target": at_target, "measured": dict(self._measured)})

    def _has_budget(self, records: list[TrialRecord]) -> bool:
        budget = self._plan.options.budget
        return budget is not None and len(records) >= budget

    def _summary(self, data: PreparedData, identity: dict[str, Any]) -> StudyRecord:
        """The study's record at the start of this session."""
        plan, options = self._plan, self._plan.options
        return StudyRecord(
            name=plan.folder.name,
            budget=options.budget,
            complete=False,
            seed=options.seed,
            collapse_weight=plan.space.evaluation.collapse_weight,
            space=plan.space.model_dump(mode="json"),
            identity=identity,
            corpus=data.about(plan.space.vocabulary_names),
            compressors=self._compressors(data),
            verdict=self._verdict,
            provenance=provenance(self._shown_command(), plan.num_workers, plan.on_ray),
            measured=self._measured,
        )

    def _shown_command(self) -> str:
        storage = self._plan.options.storage
        command = self._plan.options.command
        return command.replace(storage, shown_url(storage)) if storage else command

    def _work(self, study: optuna.Study, sampler: DistinctSampler, objective: TrainAndJudge) -> None:
        """The trials that are missing, then the verdict, in one set of workers."""
        plan, options = self._plan, self._plan.options
        if plan.reruns_differ:
            self._observer.phase("limits or objectives are measured by the clock or the machine: reruns may differ")
        run_trials, opened = engine_of(plan.on_ray, plan.num_workers, objective.initialise)
        with opened as pool:
            keep, attach = _Keeper(plan.folder, plan.database_url), Dashboard(plan.folder)
            metrics = metrics_of(options.objectives)
            trials = Trials(study, plan.space, sampler, metrics, options.seed, self._observer, keep, attach)
            with self._phase("search", f"searching, at most {plan.cost}"):
                self._used_up = not run_trials(trials, objective, pool, Budget(options.budget, options.hours))
            with self._phase("verdict", "judging the best and the references on the holdout"):
                records, section = ended_records(study), plan.space.verdict
                self._verdict = judge_finalists(records, self._verdict, section, objective, pool, self._keep_verdict)

    def _keep_verdict(self, verdict: tuple[HoldoutResult, ...]) -> None:
        """Each result is minutes of training: it is written down as it comes."""
        self._verdict = verdict
        self._plan.folder.write_study(self._study.model_copy(update={"verdict": verdict}))

    def _refuse_loss(self, records: list[TrialRecord]) -> None:
        """trials.jsonl is about to be written from the database: a database that went missing must not empty it."""
        kept = self._plan.folder.read_trials()
        lost = {one.number for one in kept} - {one.number for one in records}
        if lost:
            raise StudyError(
                f"{self._plan.folder.trials_file} holds {len(lost)} trials that the study database "
                f"{shown_url(self._plan.database_url)} does not; restore the database, "
                "or start another study with --name"
            )

    def _compressors(self, data: PreparedData) -> dict[str, dict[str, float]]:
        num_bytes = self._plan.space.evaluation.validation_bytes
        return {split: compressor_bpb(data.evaluation_bytes(split, num_bytes)) for split in ("validation", "holdout")}

    @contextmanager
    def _phase(self, name: str, text: str) -> Iterator[None]:
        """Say what happens and add its seconds to the study's account, interrupted or not."""
        self._observer.phase(text)
        started = time.perf_counter()
        try:
            yield
        finally:
            self._measured[name] = self._measured.get(name, 0.0) + time.perf_counter() - started


def count_prompts(data: PreparedData, space: SearchSpace) -> int:
    """How many prompts finalists are judged by; CorpusError where the holdout has not even those of a trial."""
    evaluation = space.evaluation.model_copy(update={"num_prompts": space.verdict.num_prompts})
    found = len(most_prompts(data, "holdout", evaluation, space.prompt_bytes))
    if found < min(space.evaluation.num_prompts, space.verdict.num_prompts):
        judging_prompts(data, "holdout", space.evaluation, space.prompt_bytes)
    return found


class _Keeper:
    """Keeps trials.jsonl growing and the folder small."""

    def __init__(self, folder: StudyFolder, url: str) -> None:
        self._folder, self._url = folder, url

    def __call__(self, record: TrialRecord) -> None:
        sync(self._url)  # trials.jsonl is not to hold what a loss of power takes from the study
        self._folder.append_trial(record)
        self._folder.drop_trunk(record.number)
