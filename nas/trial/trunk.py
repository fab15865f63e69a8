"""The trunk of a trial: training at the constant learning rate, from which each rung branches with its own decay.

Trainings that differ only in length are identical up to the decay of the shorter one. The state that a rung saves
there is a cache for the next rung: without it that rung trains from the start, to the same bits.
"""

from __future__ import annotations

from pathlib import Path

from nas.errors import CheckpointError
from nas.training.recipe import Recipe
from nas.training.trainer import Trainer
from nas.training.weights import read_tensors, write_tensors

_WEIGHTS = "model."


def save_trunk(training: Trainer, path: Path) -> None:
    """Write the state of `training` to `path` atomically; it must not have entered its decay."""
    assert training.step <= training.recipe.trunk_steps
    tensors = {_WEIGHTS + name: value for name, value in training.model.state_dict().items()}
    write_tensors(tensors | training.state(), _header(training), path)


def restore_trunk(training: Trainer, path: Path) -> bool:
    """Restore `training` from the trunk in `path` and return True, or return False if that is another training.

    A missing or damaged file also returns False.
    """
    try:
        tensors, header = read_tensors(path)
    except CheckpointError:
        return False
    step = int(header.get("step", training.recipe.num_steps))
    is_this = header == _header(training) | {"format": "pt", "step": str(step)}
    if not is_this or step > training.recipe.trunk_steps:
        return False
    weights = {name: tensors.pop(name) for name in [*tensors] if name.startswith(_WEIGHTS)}
    training.model.load_state_dict({name.removeprefix(_WEIGHTS): value for name, value in weights.items()})
    training.restore(step, tensors)
    return True


def _header(training: Trainer) -> dict[str, str]:
    """Return what two trainings with a common trunk must share, and the step at which it ends."""
    return {
        "architecture": training.model.config.model_dump_json(),
        "recipe": _common(training.recipe),
        "numerics": training.numerics.model_dump_json(),
        "step": str(training.step),
    }


def _common(recipe: Recipe) -> str:
    return recipe.model_dump_json(exclude={"num_steps", "decay", "decay_share", "final_learning_rate"})
