"""The top of a full training's page: how far it is, what it reached, and how to go on."""

from __future__ import annotations

import shlex

from nas.architecture.transformers_class import Traits, is_exportable
from nas.records.training import TrainingRun
from nas.report.parts.markup import paragraph, text, tiles
from nas.report.parts.words import count, fixed, sentence
from nas.report.run.words import returned, since_best, state

KICKER = '<p class="kicker">Full training of a small language model of Python code</p>'


def verdict_section(run: TrainingRun) -> str:
    """Title, state, the architecture in words, figures of the best evaluation and of the holdout, commands."""
    parts = [
        KICKER,
        f"<h1>Run {text(run.name)}</h1>",
        paragraph(state(run), "soft"),
        paragraph(f"The architecture: {sentence(run.record.architecture)}.", "lead"),
        tiles(_figures(run)),
        _best(run),
        _holdout(run),
        rollbacks(run),
        _commands(run),
    ]
    return "<header>\n" + "\n".join(part for part in parts if part) + "\n</header>"


def rollbacks(run: TrainingRun, name: str = "The loss") -> str:
    """Each return to an earlier step with its reason; empty where there was none."""
    if not run.rollbacks:
        return ""
    times = "once" if len(run.rollbacks) == 1 else f"{len(run.rollbacks)} times"
    returns = "; ".join(returned(one) for one in run.rollbacks)
    return paragraph(
        f"{name} fell apart, and the run went back {times}, with half the learning rate: {returns}.", "note"
    )


def _figures(run: TrainingRun) -> list[tuple[str, str]]:
    best, judged = run.best, run.summary.holdout if run.summary else None
    figures = [
        ("bits per byte, validation", fixed(best.val_bpb if best else None)),
        ("the same on novel lines", fixed(best.val_novel_bpb if best else None)),
    ]
    if judged:
        figures += [
            ("bits per byte, holdout", fixed(judged.bpb)),
            ("the same on novel lines", fixed(judged.novel_bpb)),
            ("collapse, sampled", fixed(judged.sampled_collapse_rate)),
            ("collapse, greedy", fixed(judged.greedy_collapse_rate)),
        ]
    return [*figures, ("parameters", count(run.record.architecture.num_params))]


def _best(run: TrainingRun) -> str:
    if run.best is None:
        return ""
    later = since_best(run, run.best)
    return paragraph(
        f"The best evaluation is that of step {run.best.step:,}"
        + (f"; {later}. " if later else ", the last. ")
        + "Its weights are kept. Every evaluation reads the same bytes of validation, "
        f"{run.record.validation_bytes:,} at most; the model is not trained on them."
    )


def _holdout(run: TrainingRun) -> str:
    if run.summary is None:
        return paragraph("The verdict on the holdout comes at the end of a run; it is not there yet.", "note")
    judged = run.summary.holdout
    return paragraph(
        f"On the holdout, {judged.num_bytes:,} bytes that nothing was chosen by, the best weights need "
        f"{judged.bpb:.3f} bits per byte. After {judged.num_prompts} prompts {judged.sampled_collapse_rate:.1%} of "
        f"what they write collapses when sampled and {judged.greedy_collapse_rate:.1%} when greedy: it is a loop, "
        "blank or near-constant."
    )


def _commands(run: TrainingRun) -> str:
    folder = shlex.quote(str(run.folder))
    commands = []
    if run.summary is None and run.record.command:
        commands.append((run.record.command, "goes on after a stop"))
    if run.lines:
        commands.append((f"python -m nas.evaluate {folder}", "what it writes, and how much of it collapses"))
    if run.lines and is_exportable(Traits.from_architecture(run.record.architecture)):
        commands.append((f"python -m nas.export {folder} --to hf", "as transformers loads it"))
    width = max((len(command) for command, _ in commands), default=0)
    if not commands:
        return ""
    shown = "\n".join(f"{command:<{width}}  # {what}" for command, what in commands)
    return paragraph("Go on:") + f'\n<pre class="command">{text(shown)}</pre>'
