"""The options of a search, and the plan that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from nas.errors import UsageError, validation_message
from nas.search.executors.engine import DEFAULT_ENGINE, plan_engine
from nas.search.executors.ray_settings import RaySettings
from nas.search.extrapolation.target import DEFAULT_TARGET_FACTOR
from nas.search.folder import StudyFolder
from nas.search.identity import check_identity, study_identity
from nas.search.objectives import DEFAULT_OBJECTIVES, metrics_of
from nas.search.proposals.samplers import choose_sampler
from nas.search.references import REFERENCES
from nas.space.search_space import SearchSpace, load_space
from nas.training.numerics import Numerics
from nas.training.recipe import rung_cost


@dataclass(frozen=True)
class SearchOptions:
    """The options as the user gave them; None leaves a choice to the space or the machine."""

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
    """Whether to search only architectures that a class of transformers represents."""
    budget: int | None = None
    hours: float | None = None
    storage: str | None = None
    keep_samples: bool = True
    sampler: str | None = None
    """One of nas.search.proposals.samplers, or None for the default; `random` is the baseline for a search."""
    objectives: tuple[str, ...] = DEFAULT_OBJECTIVES
    num_rungs: int | None = None
    """None means the space's number, or one with several objectives."""
    target_flops: float | None = None
    """FLOPs of the full training that the search is for."""
    engine: str = DEFAULT_ENGINE
    """One of nas.search.executors.engine; the next three options are for `ray` alone and are explained there."""
    address: str | None = None
    cpus_per_trial: float | None = None
    gpus_per_trial: float | None = None
    command: str = ""


@dataclass(frozen=True)
class SearchPlan:
    """The options with every choice made; the plan itself writes nothing."""

    options: SearchOptions
    sampler: str
    space: SearchSpace
    folder: StudyFolder
    num_workers: int | None
    """None means as many as the nodes of the Ray cluster hold."""
    numerics: Numerics
    ray_settings: RaySettings | None = None

    @property
    def workers(self) -> str:
        """The number of workers in words."""
        if self.ray_settings is None:
            return str(self.num_workers)
        number = f"{self.num_workers} at most" if self.num_workers else "as many as the cluster holds"
        return f"{number}, with {self.ray_settings},"

    @property
    def database_url(self) -> str:
        return self.options.storage or self.folder.database_url

    @property
    def target_flops(self) -> float:
        return self.options.target_flops or DEFAULT_TARGET_FACTOR * self.space.training.trial_flops

    @property
    def cost(self) -> str:
        """The maximum cost of the search in words."""
        training, verdict = self.space.training, self.space.verdict
        trial = sum(rung_cost(training.rung_flops, rung) for rung in range(training.num_rungs))
        num_finalists = verdict.num_finalists + len(REFERENCES) * (self.sampler != "random")
        final = num_finalists * verdict.num_seeds * training.trial_flops
        finals = f"{num_finalists} finalists with {verdict.num_seeds} seeds each"
        if self.options.budget is None:
            return f"{trial:.3g} training FLOPs a trial, and {final:.3g} for {finals}"
        trials = self.options.budget * trial
        parts = f"{self.options.budget} trials to the top {trials:.3g}, {finals} {final:.3g}"
        return f"{trials + final:.3g} training FLOPs: {parts}"

    @property
    def reruns_differ(self) -> bool:
        """Whether an objective or a limit is measured by the clock or the machine."""
        metrics = metrics_of(self.options.objectives)
        return self.space.constraints.reruns_differ or any(metric.reruns_differ for metric in metrics)


def plan_search(options: SearchOptions) -> SearchPlan:
    """Read the space, apply the flags, choose workers and numerics; a stored study keeps its numerics.

    Raises SpaceError for an invalid space, UsageError for flags that do not fit the space or each other.
    """
    sampler = choose_sampler(options.sampler, options.objectives)
    space = _with_flags(load_space(options.space), options)
    if options.exportable:
        space = space.only_exportable()
    if options.target_flops is not None and options.target_flops < space.training.trial_flops:
        raise UsageError(
            f"--target-flops {options.target_flops:g} is less than the FLOPs of a trial, "
            f"{space.training.trial_flops:g}; give those of the full training after the search"
        )
    folder = StudyFolder(options.out / (options.name or space.name))
    num_workers, numerics, ray_settings = plan_engine(
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
        numerics = numerics.resumed_from(stored.identity["numerics"])
        if folder.read_trials():
            corpus = stored.identity["corpus"]  # compared after the corpus is read
            known = corpus["content_hash"], corpus["split_seed"]
            requested = study_identity(space, *known, options.seed, sampler, options.objectives, numerics)
            check_identity(folder.name, stored.identity, requested)
    return SearchPlan(options, sampler, space, folder, num_workers, numerics, ray_settings)


def _with_flags(space: SearchSpace, options: SearchOptions) -> SearchSpace:
    """Return the space with the values of flags, validated like those of a file."""
    num_rungs = options.num_rungs or (1 if len(options.objectives) > 1 else None)
    training = {"trial_flops": options.trial_flops, "num_rungs": num_rungs}
    by_flags = {"training": training, "evaluation": {"collapse_weight": options.collapse_weight}}
    sections = {}
    for name, flags in by_flags.items():
        section = getattr(space, name)
        given = {key: value for key, value in flags.items() if value is not None}
        try:
            sections[name] = type(section).model_validate(section.model_dump() | given)
        except ValidationError as error:
            raise UsageError(f"by the flags given, {validation_message(error, f'[{name}]')}") from None
    return space.model_copy(update=sections)
