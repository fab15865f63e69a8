"""`python -m experiments.origin_collapse`: the origin's collapse made again, and each of its explanations tried.

The experiment this project grew out of had no causal mask, and blamed vocabulary, data, sampling and depth. Here its
recipe is trained at a size for two cores, without the mask and with it, and then with the mask in place each of the
blamed things is changed alone. Every case is one JSON line; the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from experiments.document import write_tables
from experiments.origin_collapse.cases import CASES, SEQ_LENGTH, Case
from experiments.origin_collapse.tables import GREEDY_NAME, SEEDS_OWN, Line, tables_of
from experiments.origin_collapse.unmasked import UnmaskedDecoder
from nas import cli
from nas.audit.causality import check_future_tokens, check_gradients, check_probabilities
from nas.audit.subject import AuditedModel
from nas.audit.trained import check_plausibility
from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData
from nas.evaluate.collapse import DETECTOR_VERSION
from nas.evaluate.compressors import compressor_bpb
from nas.evaluate.metrics import SAMPLED
from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.one_line_prompts import ONE_LINE_PROMPTS_VERSION
from nas.evaluate.quality.prompts import choose_prompts
from nas.evaluate.quality.protocols import Protocol, write
from nas.evaluate.quality.report import report
from nas.inference.bits_per_byte import EVALUATION_VERSION, measure_likelihood
from nas.inference.language_model import LanguageModel
from nas.model import GREEDY, Decoder, SamplingSettings
from nas.model.linear import Linear
from nas.system.files import write_json, write_text
from nas.system.machine import available_cores
from nas.system.provenance import provenance
from nas.training.numerics import Numerics, plan_numerics
from nas.training.recipe import plan_recipe
from nas.training.trainer import Trainer

DATA, PAGE = Path("experiments/origin_collapse/origin-collapse.jsonl"), Path("experiments/origin_collapse/README.md")
BATCH_SEQUENCES = 4
NEW_TOKENS = 64
VALIDATION_BYTES = 131_072
MAX_SUMMED = 4096
"""Probabilities are added up over vocabularies of at most so many tokens: the cost grows with their square."""
SAMPLED_EVERY_WAY = "mask"
"""The case that is sampled in all of SAMPLINGS; the others as the origin did, and greedy."""
SAMPLINGS = {
    SEEDS_OWN: SAMPLED,
    "T 1, nothing cut off": SamplingSettings(temperature=1.0, top_p=1.0, top_k=0),
    "T 0.5, top-k 40": SamplingSettings(temperature=0.5, top_p=1.0, top_k=40),
    GREEDY_NAME: GREEDY,
}


def parser() -> argparse.ArgumentParser:
    built = cli.parser("experiments.origin_collapse", "Make the origin's collapse again and try its explanations.")
    built.add_argument("--cases", type=cli.positive_int, default=len(CASES), metavar="N", help="only the first N cases")
    built.add_argument("--data", type=Path, default=DATA, metavar="FILE", help=f"the cases (default: {DATA})")
    built.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help=f"the page (default: {PAGE})")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    cases = CASES[: arguments.cases]
    numerics = plan_numerics("cpu", threads=available_cores())
    numerics.apply()
    data = prepare_data("stdlib", list(dict.fromkeys(case.vocabulary for case in cases)))
    done = {one["case"]: one for one in _read(arguments.data)}
    for case in cases:
        settings = settings_of(case, data)
        if case.name in done and done[case.name]["settings"] == settings:
            continue
        started = time.perf_counter()
        result = {"case": case.name, "settings": settings, **run(case, data, numerics)}
        done[case.name] = result | {"seconds": round(time.perf_counter() - started, 1)}
        write_text(arguments.data, "".join(json.dumps(one) + "\n" for one in done.values()))
        command = cli.command_line("experiments.origin_collapse", argv)
        write_json(arguments.data.with_suffix(".provenance.json"), provenance(command, num_workers=1))
        print(f"{case.name}: {result['perplexity']:.2f} perplexity, {done[case.name]['seconds']} s", file=sys.stderr)
    tables = tables_of([done[case.name] for case in cases])
    write_tables(arguments.page, "seed collapse", tables)
    print(f"{tables}\n\nwrote {arguments.data} and {arguments.page}")
    return 0


def settings_of(case: Case, data: PreparedData) -> dict[str, Any]:
    """All that decides a line: one of other settings is made again."""
    fixed = {"batch_sequences": BATCH_SEQUENCES, "new_tokens": NEW_TOKENS, "validation_bytes": VALIDATION_BYTES}
    versions = {"detector": DETECTOR_VERSION, "prompts": ONE_LINE_PROMPTS_VERSION, "evaluation": EVALUATION_VERSION}
    return {**asdict(case), **fixed, **versions, "corpus": data.corpus_hash}


def run(case: Case, data: PreparedData, numerics: Numerics) -> dict[str, Any]:
    """Train a case and measure all that the tables say of it."""
    vocabulary = data.vocabulary(case.vocabulary)
    architecture = case.architecture(vocabulary.size)
    build = Decoder if case.is_masked else UnmaskedDecoder
    num_steps = max(1, int(case.flops / (architecture.train_flops_per_token() * BATCH_SEQUENCES * SEQ_LENGTH)))
    recipe = plan_recipe(
        architecture, num_steps=num_steps, batch_tokens=BATCH_SEQUENCES * SEQ_LENGTH, seq_length=SEQ_LENGTH
    )
    tokens = data.tokens(case.vocabulary, "train")
    model = build(architecture)
    draw_as_torch_does(model)
    training = Trainer(model, tokens[: int(case.data_share * len(tokens))], recipe, numerics)
    started = time.perf_counter()
    training.advance(num_steps)
    seconds = time.perf_counter() - started
    documents = data.evaluation_documents("validation", VALIDATION_BYTES)
    text = data.evaluation_bytes("validation", VALIDATION_BYTES)
    likelihood = measure_likelihood(
        training.model, vocabulary.encode_documents(documents), vocabulary.eot_id, len(text), SEQ_LENGTH
    )
    language_model = LanguageModel(training.model, vocabulary)
    judged = {
        name: judged_completions(language_model, name, sampling)
        for name, sampling in SAMPLINGS.items()
        if case.name == SAMPLED_EVERY_WAY or name in (SEEDS_OWN, GREEDY_NAME)
    }
    return {
        "num_params": architecture.num_params,
        "vocab_size": vocabulary.size,
        "num_steps": num_steps,
        "tokens_per_second": round(num_steps * recipe.batch_tokens / seconds),
        "perplexity": round(likelihood.perplexity, 4),
        "bpb": round(likelihood.bpb, 4),
        "audit": audited(training.model, likelihood.bpb, text),
        "failure_rate_after_colon": failure_rate_after_colon(judged[SEEDS_OWN]),
        "samplings": {name: report(found, case.name).model_dump(mode="json") for name, found in judged.items()},
    }


def draw_as_torch_does(model: Decoder) -> None:
    """Initial weights by torch's own defaults, as in the origin's plain code: embeddings of variance one, other matrices
    uniform (He et al. 2015, as nn.Linear takes it). A state is then mostly its own token, which is easy to copy."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.nn.init.normal_(model.embedding.weight)
        for module in model.modules():
            if isinstance(module, Linear):
                torch.nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))


def audited(model: Decoder, bpb: float, text: bytes) -> dict[str, str]:
    """Check -> verdict; each of them looks alone."""
    subject = AuditedModel(model, model.config.vocab_size, model.config.max_seq_length)
    found = [
        check_future_tokens(subject, lengths=(2, 8, 33), most_cuts=4),
        check_gradients(subject),
        *([check_probabilities(subject, length=3)] if subject.vocab_size <= MAX_SUMMED else []),
        check_plausibility(bpb, model.config.num_params, compressor_bpb(text)),
    ]
    return {one.check: one.verdict for one in found}


def judged_completions(model: LanguageModel, name: str, sampling: SamplingSettings) -> list[CompletionQuality]:
    """What `nas.evaluate` says of each of the one-line prompts' completions."""
    protocol = Protocol(name, sampling, max_tokens=NEW_TOKENS)
    written = write(model, choose_prompts(None, None), protocol, run_id=name)
    return [CompletionQuality.of(one) for one in written.completions]


def failure_rate_after_colon(judged: Sequence[CompletionQuality]) -> float:
    """The origin's failures among prompts that end in a colon, as most of its own did."""
    asked = [one.is_origin_failure for one in judged if (one.completion.prompt or "").endswith(":")]
    return sum(asked) / len(asked)


def _read(path: Path) -> list[Line]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    cli.run(main, "experiments.origin_collapse")
