"""`python -m benchmarks.table`: the tables of benchmarks/README.md, from the JSON files alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.results import FOLDER, parser, read_result
from experiments.document import markdown, write_tables
from nas import cli

PAGE = Path(__file__).with_name("README.md")

WORKER_COLUMNS = {
    "workers of one thread": ("workers", "d"),
    "trials": ("trials_with_times", "d"),
    "seconds": ("seconds", ".0f"),
    "of a trial training": ("training_share", ".0%"),
    "trials per hour": ("trials_per_hour", ".1f"),
}
"""Header -> key of a search and how it is shown."""

Result = Mapping[str, Any]


def main(argv: list[str] | None = None) -> int:
    built = parser("table", "Write the tables of benchmarks/README.md anew.")
    built.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="(default: benchmarks/README.md)")
    arguments = built.parse_args(argv)
    write_tables(arguments.page, "tables", page(arguments.out))
    print(f"wrote {arguments.page}")
    return 0


def page(folder: Path = FOLDER) -> str:
    """The tables of every script that has a result in `folder`, in the order in which `make bench` runs them."""
    files = {name: folder / f"{name}.json" for name in TABLES}
    found = [f"### {name}\n\n{tables(name, read_result(path))}" for name, path in files.items() if path.exists()]
    return "\n\n".join(found) or "No results yet."


def tables(name: str, result: Result) -> str:
    """What the script `name` found, below the machine, the date and the command that it was found with."""
    return f"{about(result)}\n\n{TABLES[name](result)}"


def about(result: Result) -> str:
    machine, versions = result["machine"], result["versions"]
    libraries = ", ".join(f"{name} {versions[name]}" for name in ("python", "torch", "transformers"))
    gpu = machine.get("gpu", "no GPU")
    return (
        f"`{result['command']}`: {machine['processor']}, {machine['cores']} cores, {gpu}, {machine['system']}; "
        f"{libraries}; {result['date'][:10]}."
    )


def training_step(result: Result) -> str:
    said = (
        f"Milliseconds a step: median (least-most) of {result['rounds']} rounds; ratios are of each round. Losses are "
        f"those after {result['quality_steps']} steps, ours here against the peer's in float32."
    )
    return "\n\n".join(
        [said, best_settings(result), "Every setting:", every_setting(result), "The peaks:", peaks(result)]
    )


def best_settings(result: Result) -> str:
    """Ours against the eager peer that is fastest among those that train as well, and compiled against compiled."""
    rows = []
    for case in result["cases"]:
        ours, ours_compiled, *peers = case["contenders"]
        eager = [one for one in peers if one["trains_as_well"] and not one["compiled"]]
        best = min(eager, key=lambda one: one["seconds"]["median"])
        compiled = next(one for one in peers if one["compiled"])
        row = [case["shape"], str(case["threads"]), milliseconds(ours)]
        row += [f"{best['name']}: {milliseconds(best)}", f"**{times(best)}**"]
        row += [milliseconds(ours_compiled), milliseconds(compiled), f"**{times(compiled, 'times_ours_compiled')}**"]
        row += [f"{ours['peak_share']:.0%}", f"{ours['loss'] / case['peer_fp32_loss'] - 1:+.2%}"]
        rows.append(row)
    header = ["shape", "threads", "ours, ms", "peer's fastest eager that trains as well, ms", "times ours"]
    header += ["ours compiled, ms", "peer compiled, ms", "times ours compiled", "our share of the peak", "our loss"]
    return markdown(header, rows)


def every_setting(result: Result) -> str:
    rows = []
    for case in result["cases"]:
        for one in case["contenders"]:
            row = [case["shape"], str(case["threads"]), one["name"], milliseconds(one)]
            row += [f"{one['tokens_per_second']:,.0f}", f"{one['peak_share']:.0%}", f"{one['loss']:.4f}"]
            row += ["yes" if one["trains_as_well"] else "no", times(one)]
            rows.append(row)
    header = ["shape", "threads", "contender", "ms", "tokens/s", "share of the peak", "loss", "trains as well"]
    return markdown([*header, "times ours"], rows)


def peaks(result: Result) -> str:
    numbers = ("fp32", "bf16")
    rows = [
        [case["shape"], str(case["threads"]), *(f"{case['peak_flops'][one] / 1e9:.0f}" for one in numbers)]
        for case in result["cases"]
    ]
    return markdown(["shape", "threads", *(f"{one} product, GFLOP/s" for one in numbers)], rows)


def memory(result: Result) -> str:
    ours = result["contenders"][0]["peak_bytes"]
    rows = [
        [one["name"], gigabytes(one["imported_bytes"]), gigabytes(one["peak_bytes"]), f"{one['peak_bytes'] / ours:.2f}"]
        for one in result["contenders"]
    ]
    said = f"{result['shape']}, {result['steps']} steps on {result['threads']} threads, a fresh process each."
    return f"{said}\n\n{markdown(['contender', 'after imports, GB', 'peak, GB', 'times ours'], rows)}"


def generation(result: Result) -> str:
    said = (
        f"{result['prompts']} prompts x {result['new_tokens']} tokens, {result['shape']} after "
        f"{result['training_steps']} training steps. Milliseconds for all: median (least-most) of {result['rounds']} "
        "rounds; ratios are of each round."
    )
    return "\n\n".join([said, best_peers(result), "Every setting:", every_peer(result)])


def best_peers(result: Result) -> str:
    """Ours against the peer's faster cache in float32, as ours is, and against whatever is fastest."""
    rows = []
    for case in result["cases"]:
        ours, *peers = case["contenders"]
        alike = min((one for one in peers if one["name"].startswith("fp32")), key=lambda one: one["seconds"]["median"])
        fastest = min(peers, key=lambda one: one["seconds"]["median"])
        row = [str(case["threads"]), case["decoding"], milliseconds(ours)]
        row += [f"{alike['name']}: {milliseconds(alike)}", f"**{times(alike)}**"]
        rows.append([*row, f"{fastest['name']}: {milliseconds(fastest)}", times(fastest)])
    header = ["threads", "decoding", "ours, ms", "peer's fastest in fp32, ms", "times ours"]
    return markdown([*header, "peer's fastest, ms", "times ours"], rows)


def every_peer(result: Result) -> str:
    rows = []
    for case in result["cases"]:
        for one in case["contenders"]:
            row = [str(case["threads"]), case["decoding"], one["name"], milliseconds(one)]
            row += [f"{one['tokens_per_second']:,.0f}", times(one)]
            row += [f"{one['equal_share']:.1%}", f"{one['largest_gap']:.2g}"] if "equal_share" in one else ["", ""]
            rows.append(row)
    header = ["threads", "decoding", "contender", "ms", "tokens/s", "times ours", "completions equal to ours"]
    return markdown([*header, "largest gap between logits where they part"], rows)


def search_time(result: Result) -> str:
    study, total = result["study"], result["search_worker_seconds"]
    made = study["provenance"]
    rows = [[part, f"{seconds:,.0f}", f"{seconds / total:.1%}"] for part, seconds in result["parts"].items()]
    worst = max(result["vocabularies"], key=lambda one: one["not_training_share"])
    names = list(worst["parts"])
    each = [
        [one["vocabulary"], str(one["trials"]), f"{one['seconds_per_trial']:.1f}"]
        + [f"{one['parts'][name]:.1f}" for name in names]
        + [f"{one['not_training_share']:.1%}"]
        for one in result["vocabularies"]
    ]
    phases = ", ".join(f"{phase} {seconds:.0f} s" for phase, seconds in study["wall_seconds"].items())
    return "\n\n".join(
        [
            f"Study '{study['name']}' of {made['date'][:10]}, {made['machine']['processor']}: {study['trials']} trials "
            f"of {study['trial_flops']:.2g} FLOPs in {study['numerics']['dtype']}, {study['workers']} workers of "
            f"{study['numerics']['threads']} threads. Wall time: {phases}.",
            f"Of the workers' time **{result['not_training_share']:.1%}** is not training; within a trial it is most "
            f"at **{worst['vocabulary']}**, {worst['not_training_share']:.1%}.",
            markdown(["part of the search", "worker-seconds", "share"], rows),
            markdown(["vocabulary", "trials", "seconds a trial", *names, "not training"], each),
            f"The detector takes {result['detection']['milliseconds']:.2f} ms a completion "
            f"({result['detection']['number']} of {result['detection']['texts']}).",
        ]
    )


def workers(result: Result) -> str:
    rows = [[f"{one[name]:{form}}" for name, form in WORKER_COLUMNS.values()] for one in result["searches"]]
    same = len({tuple(sorted(one["architectures"])) for one in result["searches"]}) == 1
    said = (
        f"Trials of {result['trial_flops']:.2g} FLOPs, {'the same' if same else 'not the same'} architectures in all "
        f"searches. Two workers end **{result['median_ratio']:.2f}** times the trials of one."
    )
    return f"{said}\n\n{markdown(list(WORKER_COLUMNS), rows)}"


def startup(result: Result) -> str:
    rows = [
        [f"`{one['name']}`", str(result["rounds"]), seconds_of(one["seconds"], 3)] for one in result["commands"]
    ] + [
        [name, str(result["searches"]), seconds_of(result[key], 1)]
        for name, key in (
            ("launch of a search to its first trial, in whole seconds", "to_first_trial_seconds"),
            ("launch of a search to the end of its first training step, at most", "to_first_step_at_most_seconds"),
        )
    ]
    return markdown(["what", "times", "seconds: median (least-most)"], rows)


def corpus(result: Result) -> str:
    splits, builds, encoding, large = (result[key] for key in ("corpus", "builds", "encoding", "large"))
    splits = splits["splits"]
    megabytes = encoding["num_bytes"] / 1e6
    large_megabytes = large["num_bytes"] / 1e6
    rows = [
        taken("python-100mb, from its wheels to the split", builds["build"], megabytes),
        taken("again", builds["again"], megabytes),
        taken(f"its {len(encoding['vocabularies'])} vocabularies trained, all encoded", encoding, megabytes),
        taken(f"a text of random lines, to the split and {large['vocabulary']}", large["prepare"], large_megabytes),
        taken("an epoch of it read in batches", large["read"], large_megabytes),
    ]
    trained = result["vocabularies"]
    seconds = {name: seconds_of(taken, 1) for name, taken in trained["seconds"].items()}
    said = (
        f"Anonymous memory is RssAnon, sampled. Training all {len(trained['sizes'])} vocabularies of `base` takes "
        f"{seconds['all']} s, the largest alone {seconds['alone']} s: **{times(trained, 'all_times_alone')}** times, "
        f"{result['rounds']} rounds. Of validation's long lines {splits['validation']['seen_line_share']:.1%} stand in "
        f"training, of the holdout's {splits['holdout']['seen_line_share']:.1%}."
    )
    return "\n\n".join([said, markdown(["what", "MB", "seconds", "MB/s", "anonymous memory, GB"], rows)])


def engine(result: Result) -> str:
    rows = []
    for one in result["searches"]:
        for place, name in sorted({0: "first", len(one["engine_ms"]) - 1: "last"}.items()):
            ends = f"{name} {result['block']}" if len(one["engine_ms"]) > 1 else "all"
            figures = (f"{one['engine_ms'][place]:.1f}", f"{one['sampler_ms'][place]:.1f}")
            rows.append([one["sampler"], str(one["trials"]), ends, *figures, f"{one['resident_mb'][place]:.0f}"])
    said = (
        "Trials through three rungs whose objective takes no time, in a SQLite database. The engine is all but "
        "the proposal: checking, writing, deciding, telling. Medians a trial."
    )
    header = ["sampler", "trials", "of them", "engine, ms", "sampler, ms", "memory of the process, MB"]
    return "\n\n".join([said, markdown(header, rows)])


def gpu(result: Result) -> str:
    said = (
        f"Milliseconds a step: median (least-most) of {result['rounds']} rounds of {result['steps']} steps; ratios are "
        "of each round, of compiled ones to ours compiled. The peak is that of a square bf16 product."
    )
    rows = []
    for case in result["cases"]:
        for one in case["contenders"]:
            row = [case["shape"], f"{case['num_params'] / 1e6:.2f}M", one["name"], milliseconds(one), times(one)]
            share = f"{one['peak_share']:.1%} of {case['peak_flops'] / 1e12:.0f} TFLOP/s"
            rows.append([*row, f"{one['tokens_per_second']:,.0f}", share])
    header = ["shape", "parameters", "contender", "ms", "times ours", "tokens/s", "share of the peak"]
    return f"{said}\n\n{markdown(header, rows)}"


TABLES: dict[str, Callable[[Result], str]] = {
    "training_step": training_step,
    "memory": memory,
    "generation": generation,
    "search_time": search_time,
    "workers": workers,
    "startup": startup,
    "engine": engine,
    "corpus": corpus,
    "gpu": gpu,
}
"""Script -> its tables."""


def taken(what: str, one: Mapping[str, float], megabytes: float) -> list[str]:
    seconds = one["seconds"]
    rate = megabytes / seconds
    return [what, f"{megabytes:,.0f}", f"{seconds:,.1f}", f"{rate:,.1f}", gigabytes(one["anonymous_bytes"])]


def milliseconds(one: Mapping[str, Any]) -> str:
    return seconds_of({name: 1000 * value for name, value in one["seconds"].items()}, 0)


def seconds_of(spread: Mapping[str, float], digits: int) -> str:
    return f"{spread['median']:,.{digits}f} ({spread['min']:,.{digits}f}-{spread['max']:,.{digits}f})"


def times(one: Mapping[str, Any], key: str = "times_ours") -> str:
    return seconds_of(one[key], 2)


def gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f}"


if __name__ == "__main__":
    cli.run(main, "benchmarks.table")
