"""`python -m nas.experiments.seed_collapse`: the seed's collapse made again, and each of its explanations tried.

The experiment this project grew out of had no causal mask, and blamed vocabulary, data, sampling and depth. Here its
recipe is trained at a size for two cores, without the mask and with it, and then with the mask in place each of the
blamed things is changed alone. Every case is one JSON line; the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from nas import cli
from nas.architecture import ArchitectureConfig
from nas.data import PreparedData, Vocabulary, prepare_data
from nas.experiments.document import markdown, write_tables
from nas.experiments.unmasked import UnmaskedDecoder
from nas.files import write_json, write_text
from nas.model import GREEDY, Decoder, SamplingSettings, generate
from nas.model.linear import Linear
from nas.study.provenance import provenance
from nas.trial.audit import Subject, check_future_tokens, check_gradients, check_probabilities
from nas.trial.audit.trained import check_plausibility
from nas.trial.bits_per_byte import measure_likelihood
from nas.trial.collapse import DETECTOR_VERSION, collapse_rule
from nas.trial.compressors import compressor_bpb
from nas.trial.judge import SAMPLED
from nas.trial.numerics import Numerics, plan_numerics
from nas.trial.prompts import prompt_uniforms
from nas.trial.quality.one_line_prompts import one_line_prompts
from nas.trial.quality.seed_categories import (
    CATEGORIES,
    distinct_characters,
    failure_pattern,
    has_keyword,
    repetition_ratio,
    seed_category,
)
from nas.trial.recipe import plan_recipe
from nas.trial.training import Training

DATA, PAGE = Path("docs/seed-collapse.jsonl"), Path("docs/seed-collapse.md")
FLOPS = 3e12
SEQ_LENGTH, BATCH_SEQUENCES = 256, 4
NEW_TOKENS = 64
VALIDATION_BYTES = 131_072
LITTLE_DATA = 0.1
MOST_SUMMED = 4096
"""Probabilities are added up over vocabularies of at most so many tokens."""
SAMPLINGS = {
    "T 0.8, top-p 0.9, top-k 40": SAMPLED,
    "T 1, nothing cut off": SamplingSettings(temperature=1.0, top_p=1.0, top_k=0),
    "T 0.5, top-k 40": SamplingSettings(temperature=0.5, top_p=1.0, top_k=40),
    "greedy": GREEDY,
}


@dataclass(frozen=True)
class Case:
    """One training of the experiment."""

    name: str
    is_masked: bool = True
    num_layers: int = 2
    hidden_dim: int = 128
    vocab_size: int = 4096
    data_share: float = 1.0
    """Of the training stream, from its start."""
    flops: float = FLOPS

    @property
    def vocabulary(self) -> str:
        return "bytes" if self.vocab_size == 256 else f"bpe-{self.vocab_size}"

    def architecture(self, vocab_size: int) -> ArchitectureConfig:
        """The seed's: head width 32, FFN x3, gelu, rmsnorm, rope, untied."""
        return ArchitectureConfig(
            num_layers=self.num_layers,
            hidden_dim=self.hidden_dim,
            num_heads=self.hidden_dim // 32,
            ffn_multiplier=3.0,
            vocab_size=vocab_size,
            max_seq_length=SEQ_LENGTH,
        )


CASES = (
    Case("no mask, as the seed", is_masked=False),
    Case("mask"),
    Case("mask, vocabulary 50,257", vocab_size=50_257),
    Case("mask, vocabulary 256", vocab_size=256),
    Case("no mask, vocabulary 256", is_masked=False, vocab_size=256),
    Case("no mask, vocabulary 50,257", is_masked=False, vocab_size=50_257),
    Case("mask, width 64", hidden_dim=64),
    Case("mask, width 256", hidden_dim=256),
    Case("mask, a tenth of the text", data_share=LITTLE_DATA),
    Case("mask, a third of the FLOPs", flops=FLOPS / 3),
    Case("mask, one layer", num_layers=1),
    Case("mask, six layers", num_layers=6),
    Case("no mask, six layers", is_masked=False, num_layers=6),
)


def parser() -> argparse.ArgumentParser:
    built = cli.parser("nas.experiments.seed_collapse", "Make the seed's collapse again and try its explanations.")
    built.add_argument("--cases", type=cli.whole, default=len(CASES), metavar="N", help="only the first N cases")
    built.add_argument("--data", type=Path, default=DATA, metavar="FILE", help=f"the cases (default: {DATA})")
    built.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help=f"the page (default: {PAGE})")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    cases = CASES[: arguments.cases]
    numerics = plan_numerics("cpu", threads=os.cpu_count() or 1)
    numerics.apply()
    data = prepare_data("stdlib", list(dict.fromkeys(case.vocabulary for case in cases)))
    done = {one["case"]: one for one in _read(arguments.data)}
    for case in cases:
        key = json.loads(json.dumps(asdict(case)))
        if case.name not in done or done[case.name]["settings"] != key | {"detector": DETECTOR_VERSION}:
            started = time.perf_counter()
            result = {"case": case.name, "settings": key | {"detector": DETECTOR_VERSION}, **run(case, data, numerics)}
            done[case.name] = result | {"seconds": round(time.perf_counter() - started, 1)}
            write_text(arguments.data, "".join(json.dumps(one) + "\n" for one in done.values()))
            print(
                f"{case.name}: {result['perplexity']:.2f} perplexity, {done[case.name]['seconds']} s", file=sys.stderr
            )
    command = cli.command_line("nas.experiments.seed_collapse", argv)
    write_json(arguments.data.with_suffix(".provenance.json"), provenance(command, num_workers=1))
    tables = tables_of([done[case.name] for case in cases])
    write_tables(arguments.page, "seed collapse", tables)
    print(f"{tables}\n\nwrote {arguments.data} and {arguments.page}")
    return 0


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
    training = Training(model, tokens[: int(case.data_share * len(tokens))], recipe, numerics)
    started = time.perf_counter()
    training.advance(num_steps)
    seconds = time.perf_counter() - started
    documents = data.evaluation_documents("validation", VALIDATION_BYTES)
    text = data.evaluation_bytes("validation", VALIDATION_BYTES)
    likelihood = measure_likelihood(
        training.model, vocabulary.encode_documents(documents), vocabulary.eot_id, len(text), SEQ_LENGTH
    )
    return {
        "num_params": architecture.num_params,
        "vocab_size": vocabulary.size,
        "num_steps": num_steps,
        "tokens_per_second": round(num_steps * recipe.batch_tokens / seconds),
        "perplexity": round(likelihood.perplexity, 4),
        "bpb": round(likelihood.bpb, 4),
        "audit": audited(training.model, likelihood.bpb, text),
        "samplings": {
            name: judged(training.model, vocabulary, sampling)
            for name, sampling in SAMPLINGS.items()
            if case.name == "mask" or sampling in (SAMPLED, GREEDY)
        },
    }


def draw_as_torch_does(model: Decoder) -> None:
    """Initial weights by torch's own defaults, as in the seed's plain code: embeddings of variance one, other matrices
    uniform (He et al. 2015, as nn.Linear takes it). A state is then mostly its own token, which is easy to copy."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.nn.init.normal_(model.embedding.weight)
        for module in model.modules():
            if isinstance(module, Linear):
                torch.nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))


def audited(model: Decoder, bpb: float, text: bytes) -> dict[str, str]:
    """Check -> verdict; each of them looks alone."""
    subject = Subject(model, model.config.vocab_size, model.config.max_seq_length)
    found = [
        check_future_tokens(subject, lengths=(2, 8, 33), most_cuts=4),
        check_gradients(subject),
        # Its cost grows with the square of the vocabulary.
        *([check_probabilities(subject, length=3)] if subject.vocab_size <= MOST_SUMMED else []),
        check_plausibility(bpb, model.config.num_params, compressor_bpb(text)),
    ]
    return {one.check: one.verdict for one in found}


def judged(model: Decoder, vocabulary: Vocabulary, sampling: SamplingSettings) -> dict[str, Any]:
    """The seed's report on the one-line prompts, and our detector's."""
    prompts = one_line_prompts()
    generated = generate(
        model,
        [vocabulary.encode(prompt) for prompt in prompts],
        sampling,
        uniforms=prompt_uniforms(len(prompts), NEW_TOKENS),
        token_bytes=torch.from_numpy(vocabulary.num_bytes).long(),
        byte_limit=1 << 30,
        eot_id=vocabulary.eot_id,
    )
    texts = [vocabulary.decode(ids).decode("utf-8", errors="replace") for ids in generated]
    rules = [
        collapse_rule(text, prompt, ended=len(ids) < NEW_TOKENS)
        for text, prompt, ids in zip(texts, prompts, generated, strict=True)
    ]
    categories = Counter(map(seed_category, texts))
    failed = [seed_category(text) in ("repetitive", "mode_collapse") for text in texts]
    at_colon = [one for one, prompt in zip(failed, prompts, strict=True) if prompt.endswith(":")]
    patterns = Counter(failure_pattern(text) for text, rule in zip(texts, rules, strict=True) if rule)
    return {
        "n": len(texts),
        "categories": {name: categories[name] for name in CATEGORIES},
        "failed": sum(failed),
        "failed_after_colon": [sum(at_colon), len(at_colon)],
        "collapsed": sum(rule is not None for rule in rules),
        "rules": dict(Counter(rule for rule in rules if rule)),
        "repetition_ratio": round(sum(map(repetition_ratio, texts)) / len(texts), 4),
        "keywords": sum(map(has_keyword, texts)),
        "distinct_characters": round(sum(map(distinct_characters, texts)) / len(texts), 2),
        "patterns": dict(patterns.most_common(3)),
        "examples": {prompt: text for prompt, text in list(zip(prompts, texts, strict=True))[:3]},
    }


def tables_of(done: list[dict[str, Any]]) -> str:
    header = [
        "case", "parameters", "steps", "val PPL", "bits per byte", "repetitive or mode_collapse",
        "the same after a colon", "collapsed, sampled", "collapsed, greedy", "repetition", "keywords", "audit",
    ]  # fmt: skip
    first, greedy = "T 0.8, top-p 0.9, top-k 40", "greedy"
    rows = []
    for one in done:
        sampled = one["samplings"][first]
        leaks = [check for check, verdict in one["audit"].items() if verdict == "leak"]
        rows.append(
            [
                one["case"],
                f"{one['num_params'] / 1e6:.2f}M",
                f"{one['num_steps']:,}",
                f"{one['perplexity']:,.2f}",
                f"{one['bpb']:.3f}",
                _share(sampled["failed"], sampled["n"]),
                _share(*sampled["failed_after_colon"]),
                _share(sampled["collapsed"], sampled["n"]),
                _share(one["samplings"][greedy]["collapsed"], sampled["n"]),
                f"{sampled['repetition_ratio']:.1%}",
                _share(sampled["keywords"], sampled["n"]),
                f"leak: {', '.join(leaks)}" if leaks else "passed",
            ]
        )
    parts = [markdown(header, rows)]
    for one in done:
        if len(one["samplings"]) > 2:
            parts.append(f"Sampling, case '{one['case']}':\n\n{_sampling_table(one)}")
    parts.append(f"First completions, {first}:\n\n{_example_table(done[:2])}")
    return "\n\n".join(parts)


def _sampling_table(one: dict[str, Any]) -> str:
    rows = [
        [name, *(str(found["categories"][category]) for category in CATEGORIES), _share(found["collapsed"], found["n"])]
        for name, found in one["samplings"].items()
    ]
    return markdown(["sampling", *CATEGORIES, "collapsed"], rows)


def _example_table(done: list[dict[str, Any]]) -> str:
    rows = [
        [f"`{prompt}`", one["case"], f"`{repr(text[:60]).replace('`', ' ').replace('|', '¦')}`"]
        for one in done
        for prompt, text in one["samplings"]["T 0.8, top-p 0.9, top-k 40"]["examples"].items()
    ]
    return markdown(["prompt", "case", "completion"], rows)


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if total else "none"


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    cli.run(main, "nas.experiments.seed_collapse")
