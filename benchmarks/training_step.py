"""The benchmark `python -m benchmarks.training_step`: the time of a training step, ours and that of a Llama.

Each shape has three passes, in which all contenders have the same weights, batches and learning rates. The first
finds the faster attention of transformers' Llama. The second compares the loss of each precision after the same steps.
The third times a step (forward, backward, clip, update) for each number of threads, with the contenders in turns.
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
MAX_LOSS_RATIO = 1.005
"""Maximum loss relative to the float32 peer's; a setting with more does not train as well and is not compared."""
LAST_STEPS = 10
"""Number of last steps whose mean is the loss after a training."""
MANY_STEPS = 100_000
"""Length of the schedule whose first steps are timed."""
PROBES = 3


def main(argv: list[str] | None = None) -> int:
    arguments_parser = parser("training_step", "Time a training step against transformers' Llama.")
    arguments_parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="(default: all)")
    arguments_parser.add_argument(
        "--threads", nargs="+", type=cli.positive_int, default=[2, 1], metavar="N", help="(default: 2 1)"
    )
    arguments_parser.add_argument(
        "--rounds", type=cli.positive_int, default=5, metavar="N", help="timed steps of each contender (default: 5)"
    )
    arguments_parser.add_argument(
        "--quality-steps",
        type=cli.positive_int,
        default=50,
        metavar="N",
        help="steps before losses are compared (default: 50)",
    )
    arguments = arguments_parser.parse_args(argv)
    cases = []
    for name in arguments.shapes:
        shape = SHAPES[name]
        print_progress(f"{shape.name}: choosing the peer's attention")
        settings = in_fresh_process(choose_settings, shape, threads=max(arguments.threads))
        print_progress(f"{shape.name}: losses after {arguments.quality_steps} steps")
        losses = losses_of(shape, [setting for setting in settings if not setting.is_compiled], arguments.quality_steps)
        for threads in arguments.threads:
            print_progress(f"{shape.name}: timing on {threads} threads")
            timed = in_fresh_process(time_steps, shape, settings, arguments.rounds, threads, threads=threads)
            cases.append(case(shape, threads, settings, losses, timed))
    settings_used = {"rounds": arguments.rounds, "quality_steps": arguments.quality_steps, "most_loss": MAX_LOSS_RATIO}
    write_result("training_step", arguments.out, argv, settings_used | {"cases": cases})
    return 0


def choose_settings(shape: Shape) -> list[PeerSetting]:
    """Return the peer in each precision with its faster attention, and the faster one with float32 weights compiled."""
    from benchmarks.llama import ATTENTIONS, PRECISIONS, PeerSetting

    every = [PeerSetting(precision, attention) for precision in PRECISIONS for attention in ATTENTIONS]
    seconds = interleaved({setting.name: stepper(start(shape, setting)) for setting in every}, PROBES)
    medians = {setting: statistics.median(seconds[setting.name]) for setting in every}
    fastest = [
        min((setting for setting in every if setting.precision == precision), key=medians.__getitem__)
        for precision in PRECISIONS
    ]
    base = min((setting for setting in fastest if setting.precision != "bf16"), key=medians.__getitem__)
    return [*fastest, PeerSetting(base.precision, base.attention, is_compiled=True)]


def losses_of(shape: Shape, settings: Sequence[PeerSetting], num_steps: int) -> dict[str, float]:
    """Return the loss of each contender after `num_steps` steps; untimed, so they run at once, one thread each."""
    trained = in_fresh_processes(
        loss_after, [(shape, setting, num_steps) for setting in (None, *settings)], threads=1, at_once=2
    )
    return dict(zip([OURS, *(setting.precision for setting in settings)], trained, strict=True))


def loss_after(shape: Shape, setting: PeerSetting | None, num_steps: int) -> float:
    training = start(shape, setting, num_steps=num_steps)
    losses = [training.advance(1) for _ in range(num_steps)]
    return statistics.mean(losses[-LAST_STEPS:])


def time_steps(shape: Shape, settings: Sequence[PeerSetting], rounds: int, threads: int) -> dict[str, list[float]]:
    """Return the seconds of each step of each contender, and of the products that define the peak."""
    trainings = {
        OURS: start(shape, None, threads=threads),
        OURS_COMPILED: start(shape, None, threads=threads, compiled=True),
        **{setting.name: start(shape, setting) for setting in settings},
    }
    return interleaved({name: stepper(training) for name, training in trainings.items()} | products(), rounds)


def start(
    shape: Shape, setting: PeerSetting | None, num_steps: int = MANY_STEPS, threads: int = 1, compiled: bool = False
) -> Trainer | PeerTraining:
    """Return a training of `shape` before its first step: the peer's with `setting`, ours without one."""
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
    """Return the results of a shape on a number of threads as JSON data, our contenders first.

    A compiled contender has the loss of its eager one.
    """
    our_numbers = "bf16" if plan_numerics(DEVICE, threads).dtype == "bfloat16" else "fp32"
    peaks = {numbers: peak_flops(seconds, numbers) for numbers in ("fp32", "bf16")}
    contenders: list[dict[str, Any]] = [
        {"name": OURS, "numbers": our_numbers, "compiled": False, "loss": losses[OURS]},
        {"name": OURS_COMPILED, "numbers": our_numbers, "compiled": True, "loss": losses[OURS]},
        *(
            {
                "name": setting.name,
                "numbers": setting.numbers,
                "compiled": setting.is_compiled,
                "loss": losses[setting.precision],
            }
            for setting in settings
        ),
    ]
    for contender in contenders:
        times = seconds[contender["name"]]
        median = statistics.median(times)
        contender["seconds"] = spread(times)
        contender["tokens_per_second"] = shape.step_tokens / median
        contender["peak_share"] = shape.step_flops / median / peaks[contender["numbers"]]
        contender["times_ours"] = ratio(times, seconds[OURS])
        contender["times_ours_compiled"] = ratio(times, seconds[OURS_COMPILED])
        contender["trains_as_well"] = contender["loss"] <= MAX_LOSS_RATIO * losses["fp32"]
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
