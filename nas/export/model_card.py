"""The model card of an exported model; unknown facts are left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nas.architecture.config import ArchitectureConfig
from nas.export.run_facts import RunFacts
from nas.export.tokenizer_files import end_token
from nas.inference.language_model import LanguageModel

_POSITIONS = {
    "rope": "rotary (RoPE), all of each head",
    "learned": "learned",
    "sinusoidal": "sinusoidal",
    "none": "none",
}
_FRONT_MATTER = """---
library_name: transformers
pipeline_tag: text-generation
tags:
- code
- python
- codenas
---
"""


def model_card(language_model: LanguageModel, facts: RunFacts, class_name: str, folder: Path, command: str) -> str:
    """Return the README.md of an export for transformers at `folder`."""
    config = language_model.model.config
    sections = {
        "Architecture": _architecture(config, language_model.vocabulary.name),
        "Data": _data(facts),
        "Training": _training(facts),
        "Results": _results(facts),
        "Limits": _limits(language_model),
        "Use": _use(config, folder),
        "How this folder was made": _code("", "\n".join(filter(None, (facts.command, command)))),
    }
    about = (
        f"A language model of Python code with {config.num_params:,} parameters, trained from scratch with codenas. "
        f"It has the class `{class_name}` of transformers, which computes the same logits as codenas."
    )
    body = [f"## {title}\n\n{text}" for title, text in sections.items() if text]
    return f"{_FRONT_MATTER}\n# {facts.name}\n\n{about}\n\n" + "\n\n".join(body) + "\n"


def _architecture(config: ArchitectureConfig, vocabulary: str) -> str:
    grouped = f", {config.num_kv_heads} for keys and values" if config.num_kv_heads < config.num_heads else ""
    gated = "gated, " if config.is_gated else ""
    rows = {
        "layers": f"{config.num_layers}",
        "width": f"{config.hidden_dim}",
        "heads": f"{config.num_heads} of {config.head_dim}{grouped}",
        "feed-forward": f"{gated}{config.activation}, {config.ffn_dim} wide",
        "normalization": f"{config.normalization}, before each part{', and of queries and keys' * config.qk_norm}",
        "positions": _POSITIONS[config.position_encoding],
        "vocabulary": f"{config.vocab_size:,} tokens ({vocabulary})",
        "output matrix": "the embedding's" if config.tie_embeddings else "its own",
        "longest input": f"{config.max_seq_length} tokens",
        "parameters": f"{config.num_params:,}, {config.non_embedding_params:,} without embeddings and output matrix",
    }
    return _table(("", ""), rows.items())


def _data(facts: RunFacts) -> str:
    """Describe the corpus: its name, size, and the licences of its packages, which continue to apply to the code."""
    if facts.corpus is None:
        return f"A corpus whose content has the SHA-256 `{facts.corpus_hash}`." if facts.corpus_hash else ""
    splits, recipe = facts.corpus.get("splits", {}), facts.corpus.get("recipe", {})
    train = splits.get("train", {})
    # Only the last part: the path on somebody's disk is private.
    name = Path(str(recipe.get("name", ""))).name
    lines = [
        f"The corpus `{name}`: {train.get('documents', 0):,} documents with {train.get('bytes', 0):,} bytes for "
        f"training, cleaned and split by codenas; SHA-256 of its content `{facts.corpus_hash}`."
    ]
    rows = list(_packages(recipe.get("sources", ()), facts.corpus.get("packages", {}).get("train", {})))
    if rows:
        lines += [
            "Each package keeps its own licence:",
            _table(("package", "version", "licence", "training bytes"), rows),
        ]
    return "\n\n".join(lines)


def _packages(sources: Any, sizes: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, ...]]:
    for source in sources:
        if "package" in source:
            size = sizes.get(source["package"], {}).get("bytes", 0)
            yield source["package"], str(source.get("version", "")), str(source.get("license", "")), f"{size:,}"


def _training(facts: RunFacts) -> str:
    recipe = facts.recipe
    if recipe is None:
        return ""
    step = f"; these are the weights of step {facts.evaluation.step:,}" if facts.evaluation else ""
    return (
        f"{recipe.num_steps:,} steps of {recipe.batch_tokens:,} tokens in sequences of {recipe.seq_length}, AdamW "
        f"with a peak learning rate of {recipe.learning_rate:.3g}, seed {recipe.seed}{step}."
    )


def _results(facts: RunFacts) -> str:
    rows = []
    if (line := facts.evaluation) is not None:
        rows.append(("validation", _figure(line.val_bpb), _figure(line.val_novel_bpb), "", ""))
    if (metrics := facts.holdout) is not None:
        collapse = (_figure(metrics.sampled_collapse_rate, 3), _figure(metrics.greedy_collapse_rate, 3))
        rows.append(("holdout", _figure(metrics.bpb), _figure(metrics.novel_bpb), *collapse))
    if not rows:
        return ""
    titles = ("split", "bits per byte", "on novel lines", "collapse, sampled", "collapse, greedy")
    return (
        _table(titles, rows) + "\n\nBits per byte compare models of any vocabulary on the same bytes; lower is better. "
        "Novel lines occur in no training document. Validation was used to choose these weights, the holdout was not. "
        "Collapse is the share of completions that degenerate, for example into loops."
    )


def _figure(value: object, digits: int = 4) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else ""


def _limits(language_model: LanguageModel) -> str:
    vocabulary, length = language_model.vocabulary, language_model.model.config.max_seq_length
    end = json.dumps(end_token(vocabulary))
    shown = "NUL" if vocabulary.token_bytes[vocabulary.eot_id] == b"\0" and vocabulary.is_own else f"`{end}`"
    lines = [
        "Generated code may be wrong, insecure or a copy of training text. Read it before you run it; codenas shows "
        "generated code and never executes it.",
        f"It reads at most {length} tokens and was trained on Python code only.",
        f"A document ends with the token {vocabulary.eot_id} ({shown}), which also precedes the first token of a "
        "document. The tokenizer adds no special token to a text and encodes none from it (`split_special_tokens`): "
        "every text gets the ids that the model was trained with.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _use(config: ArchitectureConfig, folder: Path) -> str:
    prompt = "def read_config(path):\n"
    return _code(
        "python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"tokenizer = AutoTokenizer.from_pretrained({str(folder)!r})\n"
        f"model = AutoModelForCausalLM.from_pretrained({str(folder)!r})\n"
        f'prompt = tokenizer({json.dumps(prompt)}, return_tensors="pt")\n'
        f"output = model.generate(**prompt, max_new_tokens={min(64, config.max_seq_length // 2)}, "
        "do_sample=True, temperature=0.8, top_p=0.9, top_k=40)\n"
        "print(tokenizer.decode(output[0]))",
    )


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _table(titles: tuple[str, ...], rows: Any) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
