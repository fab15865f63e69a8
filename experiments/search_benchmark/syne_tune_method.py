"""Syne Tune's asynchronous successive halving for several objectives (MO-ASHA), replayed where it is installed.

It is not a dependency: `pip install syne-tune` also installs xgboost and more.
"""

from __future__ import annotations

import random
from importlib.util import find_spec

import numpy as np

from experiments.search_benchmark.results_table import Step, Table, Trace, grid_values
from experiments.search_table.grid import GRID
from nas.training.batches import derived_seed
from nas.training.recipe import rung_cost

NAME = "Syne Tune MO-ASHA"
_TIME = "third"


def is_installed() -> bool:
    return find_spec("syne_tune") is not None


def mo_asha(table: Table, seed: int, flops: float) -> Trace:
    """Search one trial at a time, with our rungs and factor; a configuration that was trained before is drawn again."""
    from syne_tune.backend.trial_status import Trial
    from syne_tune.config_space import choice
    from syne_tune.optimizer.scheduler import SchedulerDecision
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

    drawn = derived_seed("mo-asha", seed) % 2**32
    random.seed(drawn)
    np.random.seed(drawn)
    cells = table.by_point()
    training = table.space.training
    scheduler = MOASHA(
        config_space={name: choice(values) for name, values in grid_values(cells).items()},
        metrics=["val_bpb", "collapse_rate"],
        time_attr=_TIME,
        max_t=round(training.rung_factor ** (training.num_rungs - 1)),
        grace_period=1,
        reduction_factor=training.rung_factor,
        random_seed=drawn,
    )
    trace: list[Step] = []
    spent, seen, number = 0.0, set[tuple[object, ...]](), 0
    while spent < flops and len(seen) < len(cells):
        config = scheduler.suggest().config
        point = tuple(config[name] for name in GRID)
        if point in seen:
            continue
        seen.add(point)
        trial = Trial(trial_id=number, config=config, creation_time=None)
        number += 1
        scheduler.on_trial_add(trial)
        for rung, scores in enumerate(cells[point].rungs):
            spent += rung_cost(training.rung_flops, rung)
            is_top = rung == training.num_rungs - 1
            trace.append(Step(spent, cells[point].id, is_top))
            result = {
                "val_bpb": scores.val_bpb,
                "collapse_rate": scores.collapse_rate,
                _TIME: round(training.rung_factor**rung),
            }
            if scheduler.on_trial_result(trial, result) == SchedulerDecision.STOP or spent >= flops:
                break
    return trace
