"""`python -m benchmarks.training_step`: how long is a training step, ours and that of transformers' Llama?

Three passes for each shape, each contender with the same weights, batches and learning rates: which attention is the
peer's faster one; what each precision's loss is after the same steps; and, on each number of threads, the time of a
step (forward, backward, clip, update), one step of each contender in turn.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.processes import DEVICE, in_fresh_process, in_fresh_processes
from benchmarks.results import parser, write_result
from benchmarks.shapes import SHAPES, Shape
from benchmarks.timing import interleaved, peak_flops, products, ratio, spread
from nas import cli
from nas.data.prepare import print_progress
from nas.training.numerics import plan_numerics

if TYPE_CHECKING:
    from benchmarks.llama import PeerSetting, PeerTraining
    from nas.training.trainer import Trainer

OURS, OURS_COMPILED = "ours", "ours, compiled"
MAX_LOSS = 1.005
"""Times the float32 peer's loss: with more a setting does not train as well, and is not the one compared with."""
LAST_STEPS = 10
"""The loss after a training is the mean over so many of its last steps."""
MANY_STEPS = 100_000
"""Of the schedule that timed steps are the first of."""
PROBES = 3


def main(argv: list[str] | None = None) -> int:
    built = parser("training_step", "Time a training step against transformers' Llama.")
    built.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="(default: all)")
    built.add_argument("--threads", nargs="+", type=cli.positive_int, default=[2, 1], metavar="N", help="(default: 2 1)")
    built.add_argument("--rounds", type=cli.positive_int, default=5, metavar="N", help="timed steps of each (default: 5)")
    built.add_argument("--quality-steps", type=cli.positive_int, default=50, metavar="N", help="before losses are compared")
    arguments = built.parse_args(argv)
    cases = []
    for name in arguments.shapes:
        shape = SHAPES[name]
        print_progress(f"{shape.name}: choosing the peer's attention")
        settings = in_fresh_process(chosen_settings, shape, threads=max(arguments.threads))
        print_progress(f"{shape.name}: losses after {arguments.quality_steps} steps")
        losses = losses_of(shape, [one for one in settings if not one.is_compiled], arguments.quality_steps)
        for threads in arguments.threads:
            print_progress(f"{shape.name}: timing on {threads} threads")
            timed = in_fresh_process(timed_steps, shape, settings, arguments.rounds, threads, threads=threads)
            cases.append(case(shape, threads, settings, losses, timed))
    settings_found = {"rounds": arguments.rounds, "quality_steps": arguments.quality_steps, "most_loss": MAX_LOSS}
    write_result("training_step", arguments.out, argv, settings_found | {"cases": cases})
    return 0


def chosen_settings(shape: Shape) -> list[PeerSetting]:
    """The peer in each precision with the attention that is faster in it; the faster of the two that keep float32
    weights compiled too."""
    from benchmarks.llama import ATTENTIONS, PRECISIONS, PeerSetting

    every = [PeerSetting(precision, attention) for precision in PRECISIONS for attention in ATTENTIONS]
    seconds = interleaved({one.name: stepper(started(shape, one)) for one in every}, PROBES)
    medians = {one: statistics.median(seconds[one.name]) for one in every}
    fastest = [
        min((one for one in every if one.precision == precision), key=medians.__getitem__) for precision in PRECISIONS
    ]
    base = min((one for one in fastest if one.precision != "bf16"), key=medians.__getitem__)
    return [*fastest, PeerSetting(base.precision, base.attention, is_compiled=True)]


def losses_of(shape: Shape, settings: Sequence[PeerSetting], num_steps: int) -> dict[str, float]:
    """Contender -> loss after `num_steps` steps. No clock runs, so they share the machine, a thread each."""
    trained = in_fresh_processes(
        loss_after, [(shape, one, num_steps) for one in (None, *settings)], threads=1, at_once=2
    )
    return dict(zip([OURS, *(one.precision for one in settings)], trained, strict=True))


def loss_after(shape: Shape, setting: PeerSetting | None, num_steps: int) -> float:
    training = started(shape, setting, num_steps=num_steps)
    losses = [training.advance(1) for _ in range(num_steps)]
    return statistics.mean(losses[-LAST_STEPS:])


def timed_steps(shape: Shape, settings: Sequence[PeerSetting], rounds: int, threads: int) -> dict[str, list[float]]:
    """Contender -> seconds of each step, the products of the peak among them."""
    trainings = {
        OURS: started(shape, None, threads=threads),
        OURS_COMPILED: started(shape, None, threads=threads, compiled=True),
        **{one.name: started(shape, one) for one in settings},
    }
    return interleaved({name: stepper(one) for name, one in trainings.items()} | products(), rounds)


def started(
    shape: Shape, setting: PeerSetting | None, num_steps: int = MANY_STEPS, threads: int = 1, compiled: bool = False
) -> Trainer | PeerTraining:
    """A training of `shape` before its first step: the peer's with `setting`, ours without one."""
    from nas.model import Decoder
    from nas.training.trainer import Trainer

    recipe = shape.recipe(num_steps)
    model = Decoder(shape.architecture, seed=recipe.seed)
    if setting is None:
        return Trainer(model, shape.tokens(), recipe, plan_numerics(DEVICE, threads, compiled=compiled))
    from benchmarks.llama import PeerTraining

    return PeerTraining(model, shape.tokens(), recipe, setting)


def stepper(training: Trainer | PeerTraining) -> Callable[[], float]:
    return lambda: training.advance(1)


def case(
    shape: Shape,
    threads: int,
    settings: Sequence[PeerSetting],
    losses: Mapping[str, float],
    seconds: Mapping[str, Sequence[float]],
) -> dict[str, Any]:
    """One shape on one number of threads, as JSON data; our contenders first. A compiled one's loss is not another."""
    numbers = "bf16" if plan_numerics(DEVICE, threads).dtype == "bfloat16" else "fp32"
    peaks = {one: peak_flops(seconds, one) for one in ("fp32", "bf16")}
    contenders: list[dict[str, Any]] = [
        {"name": OURS, "numbers": numbers, "compiled": False, "loss": losses[OURS]},
        {"name": OURS_COMPILED, "numbers": numbers, "compiled": True, "loss": losses[OURS]},
        *(
            {"name": one.name, "numbers": one.numbers, "compiled": one.is_compiled, "loss": losses[one.precision]}
            for one in settings
        ),
    ]
    for one in contenders:
        taken = seconds[one["name"]]
        median = statistics.median(taken)
        one["seconds"] = spread(taken)
        one["tokens_per_second"] = shape.step_tokens / median
        one["peak_share"] = shape.step_flops / median / peaks[one["numbers"]]
        one["times_ours"] = ratio(taken, seconds[OURS])
        one["times_ours_compiled"] = ratio(taken, seconds[OURS_COMPILED])
        one["trains_as_well"] = one["loss"] <= MAX_LOSS * losses["fp32"]
    return {
        "shape": shape.name,
        "threads": threads,
        "step_tokens": shape.step_tokens,
        "step_flops": shape.step_flops,
        "peak_flops": peaks,
        "peer_fp32_loss": losses["fp32"],
        "contenders": contenders,
    }


if __name__ == "__main__":
    cli.run(main, "benchmarks.training_step")
