"""One run of `nas.search` from its plan to its files: data, study, trials, verdict, exports."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import optuna

from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData
from nas.errors import StudyError
from nas.evaluate.compressors import compressor_bpb
from nas.evaluate.metrics import evaluation_prompts, num_available_prompts
from nas.records.holdout_comparison import chosen_trial
from nas.records.study import HoldoutResult, StudyRecord
from nas.records.trial import TrialRecord
from nas.search.dashboard import Dashboard
from nas.search.driver import Budget
from nas.search.executors.engine import create_engine
from nas.search.export import export_architectures
from nas.search.extrapolation.target import predict_target
from nas.search.folder import StudyFolder
from nas.search.identity import study_identity
from nas.search.objectives import metrics_of
from nas.search.plan import SearchPlan
from nas.search.proposals.distinct_sampler import DistinctSampler
from nas.search.storage import close, database_errors, open_study, shown_url, sync
from nas.search.train_and_evaluate import TrainAndEvaluate
from nas.search.trial_attributes import ended_records
from nas.search.trials import Observer, Trials
from nas.search.verdict import evaluate_finalists, finalists, is_complete_verdict
from nas.space.search_space import SearchSpace
from nas.system.provenance import provenance
from nas.trial.run import TrialSettings

SPLIT_SEED = 0
"""The split does not depend on --seed, so that searches with different seeds are evaluated on the same data."""


class SessionObserver(Observer, Protocol):
    """An observer of trials that is also told the phase of the session."""

    def phase(self, text: str) -> None: ...


@dataclass(frozen=True)
class SearchOutcome:
    """The results of a session."""

    folder: StudyFolder
    study: StudyRecord
    records: list[TrialRecord]
    exported: list[Path]
    was_complete: bool
    """Whether the study had reached its budget before this session."""
    used_up: bool
    """Whether the space had no other legal architecture, so that the search ended before its budget."""


def run_search(plan: SearchPlan, observer: SessionObserver) -> SearchOutcome:
    """Run or resume the study until its budget; every step can be interrupted and repeated."""
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
        self._num_final = 0
        self._before = plan.folder.read_study()
        if self._before:
            self._measured, self._verdict = dict(self._before.measured), self._before.verdict

    def run(self) -> SearchOutcome:
        plan, options, folder = self._plan, self._plan.options, self._plan.folder
        with self._phase("corpus", "reading the corpus"):
            data = prepare_data(
                options.corpus, plan.space.vocabulary_names, split_seed=SPLIT_SEED, progress=self._observer.phase
            )
            # A text without prompts is an error now, not after each training.
            evaluation_prompts(data, "validation", plan.space.evaluation, plan.space.prompt_bytes)
            num_final_prompts = count_prompts(data, plan.space)
        metrics = metrics_of(options.objectives)
        sampler = DistinctSampler(plan.space, data.vocabulary_sizes, options.seed, plan.sampler, metrics)
        identity = study_identity(
            plan.space, data.corpus_hash, SPLIT_SEED, options.seed, plan.sampler, options.objectives, plan.numerics
        )
        study = open_study(folder.name, plan.database_url, plan.space, sampler, identity, len(metrics))
        try:
            return self._run_study(study, data, sampler, identity, num_final_prompts)
        finally:
            close(study)

    def _run_study(
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
        if was_complete and self._before:  # the record names the command that trained the trials
            kept = {"budget": self._before.budget, "provenance": self._before.provenance}
            summary = summary.model_copy(update=kept)
        folder.write_study(summary)
        settings = TrialSettings(
            plan.space.training, plan.space.evaluation, plan.space.prompt_bytes, plan.numerics, options.seed
        )
        # Absolute paths, as workers of Ray have working folders of their own.
        shared = StudyFolder(folder.path.absolute()), PreparedData(data.folder.absolute(), data.vocabulary_names)
        objective = TrainAndEvaluate(*shared, settings, options.keep_samples, num_final_prompts)
        self._study = summary
        try:
            if not was_complete or not is_complete_verdict(records, self._verdict, plan.space, options.seed):
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
        """Return the study's record with the law's prediction for the target, if a trial completed."""
        chosen = chosen_trial(summary, records, summary.collapse_weight)
        if chosen is None:
            return summary
        with self._phase("prediction", "fitting the scaling law"):
            law, at_target = predict_target(records, chosen, self._plan.space, data, self._plan.target_flops)
        if at_target is not None and not {"fitness", "val_bpb"} & set(self._plan.options.objectives):
            shortcomings = (
                *at_target.shortcomings,
                "the law predicts bits per byte, which is not an objective of this search",
            )
            at_target = at_target.model_copy(update={"shortcomings": shortcomings})
        return summary.model_copy(update={"law": law, "at_target": at_target, "measured": dict(self._measured)})

    def _has_budget(self, records: list[TrialRecord]) -> bool:
        budget = self._plan.options.budget
        return budget is not None and len(records) >= budget

    def _summary(self, data: PreparedData, identity: dict[str, Any]) -> StudyRecord:
        """Return the study's record at the start of this session."""
        plan, options = self._plan, self._plan.options
        return StudyRecord(
            name=plan.folder.name,
            budget=options.budget,
            complete=False,
            seed=options.seed,
            collapse_weight=plan.space.evaluation.collapse_weight,
            space=plan.space.model_dump(mode="json"),
            identity=identity,
            corpus=data.manifest_for(plan.space.vocabulary_names),
            compressors=self._compressors(data),
            verdict=self._verdict,
            provenance=provenance(
                self._shown_command(), plan.num_workers, asdict(plan.ray_settings) if plan.ray_settings else None
            ),
            measured=self._measured,
        )

    def _shown_command(self) -> str:
        storage = self._plan.options.storage
        command = self._plan.options.command
        return command.replace(storage, shown_url(storage)) if storage else command

    def _work(self, study: optuna.Study, sampler: DistinctSampler, objective: TrainAndEvaluate) -> None:
        """Run the missing trials and then the verdict, with one set of workers."""
        plan, options = self._plan, self._plan.options
        run_trials, opened = create_engine(plan.ray_settings, plan.num_workers, objective.initialise)
        with opened as pool:
            keep, attach = _Keeper(plan.folder, plan.database_url), Dashboard(plan.folder)
            metrics = metrics_of(options.objectives)
            trials = Trials(study, plan.space, sampler, metrics, options.seed, self._observer, keep, attach)
            with self._phase("search", f"searching, at most {plan.cost}"):
                self._used_up = not run_trials(trials, objective, pool, Budget(options.budget, options.hours))
            with self._phase("verdict", "evaluating the best and the references on the holdout"):
                records = ended_records(study)
                self._num_final = len(finalists(records, plan.space)) * plan.space.verdict.num_seeds
                self._verdict = evaluate_finalists(
                    records, self._verdict, plan.space, objective, pool, self._keep_verdict
                )

    def _keep_verdict(self, verdict: tuple[HoldoutResult, ...]) -> None:
        """Write each holdout result at once, as it took minutes of training."""
        self._verdict = verdict
        self._observer.phase(f"evaluated on the holdout: {len(verdict)} of {self._num_final} trainings")
        self._plan.folder.write_study(self._study.model_copy(update={"verdict": verdict}))

    def _refuse_loss(self, records: list[TrialRecord]) -> None:
        """Raise StudyError if trials.jsonl, about to be rewritten from the database, holds trials that it lacks."""
        kept = self._plan.folder.read_trials()
        lost = {record.number for record in kept} - {record.number for record in records}
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
        """Announce a phase and add its seconds to the study's record, even if it is interrupted."""
        self._observer.phase(text)
        started = time.perf_counter()
        try:
            yield
        finally:
            self._measured[name] = self._measured.get(name, 0.0) + time.perf_counter() - started


def count_prompts(data: PreparedData, space: SearchSpace) -> int:
    """Return the number of prompts for finalists; CorpusError if the holdout has fewer than a trial needs."""
    evaluation = space.evaluation.model_copy(update={"num_prompts": space.verdict.num_prompts})
    num_prompts = num_available_prompts(data, "holdout", evaluation, space.prompt_bytes)
    if num_prompts < min(space.evaluation.num_prompts, space.verdict.num_prompts):
        evaluation_prompts(data, "holdout", space.evaluation, space.prompt_bytes)
    return num_prompts


class _Keeper:
    """Appends each ended trial to trials.jsonl and deletes its trunk."""

    def __init__(self, folder: StudyFolder, url: str) -> None:
        self._folder, self._url = folder, url

    def __call__(self, record: TrialRecord) -> None:
        sync(self._url)  # a loss of power must not leave trials in trials.jsonl that the study has lost
        self._folder.append_trial(record)
        self._folder.drop_trunk(record.number)
