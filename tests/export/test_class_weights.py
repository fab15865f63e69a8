"""Tests of every exportable combination, by the logits of the class that represents it.

The classes are built from their configuration; test_hugging_face.py tests the files.
"""

from __future__ import annotations

from typing import Any

import pytest
from transformers import AutoConfig, AutoModelForCausalLM

from nas.architecture.config import ArchitectureConfig
from nas.architecture.transformers_class import Traits, is_exportable, transformers_class
from nas.export.class_config import class_config
from nas.export.class_weights import class_weights
from tests.helpers.architectures import every_choice
from tests.helpers.checkpoints import architecture, perturbed_decoder, random_ids
from tests.helpers.exported_models import logit_difference

TOLERANCE = 1e-5
EXPORTABLE = [config for config in every_choice() if is_exportable(Traits.from_architecture(config))]


def both_models(config: ArchitectureConfig, seed: int = 0) -> tuple[Any, Any]:
    """Return a decoder and its class in transformers, with the same weights."""
    ours, chosen = perturbed_decoder(config, seed), transformers_class(config)
    values = class_config(config, chosen, eot_id=0)
    values.pop("torch_dtype")
    theirs = AutoModelForCausalLM.from_config(AutoConfig.for_model(**values)).eval()
    assert type(theirs).__name__ == chosen.name
    missing, unexpected = theirs.load_state_dict(class_weights(ours, chosen), strict=False)
    assert (missing, unexpected) == (["lm_head.weight"] if config.tie_embeddings else [], [])
    return ours, theirs


@pytest.mark.parametrize("config", EXPORTABLE, ids=ArchitectureConfig.describe)
def test_the_class_gives_our_logits(config: ArchitectureConfig) -> None:
    ours, theirs = both_models(config)
    assert logit_difference(ours, theirs, random_ids(config)) < TOLERANCE


def test_a_wider_and_deeper_class_gives_our_logits() -> None:
    config = architecture(num_layers=6, hidden_dim=96, num_heads=6, num_kv_heads=3, activation="swiglu", qk_norm=True)
    ours, theirs = both_models(config, seed=3)
    assert logit_difference(ours, theirs, random_ids(config)) < 10 * TOLERANCE


def test_the_configuration_has_the_dropout_of_training() -> None:
    for changes in ({}, {"normalization": "layernorm"}, {"normalization": "layernorm", "position_encoding": "learned"}):
        config = architecture(attention_dropout=0.1, residual_dropout=0.2, **changes)
        values = class_config(config, transformers_class(config), eot_id=0)
        assert values.get("attention_dropout", values.get("attn_pdrop")) == 0.1
        if changes:
            assert values.get("residual_dropout", values.get("resid_pdrop")) == 0.2
