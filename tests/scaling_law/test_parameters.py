from __future__ import annotations

import numpy as np
import pytest

from experiments.scaling_law.larger_corpus_points import fitted_parameters
from nas.scaling_law.law import FEATURES, PARAMETERS, TERMS, log_bpb
from nas.scaling_law.parameters import MEASURED, Priors, huber_residuals, jacobian
from tests.helpers.laws import make_parameters


def test_the_jacobian_equals_finite_differences() -> None:
    rng = np.random.default_rng(0)
    parameters = np.array(make_parameters(tie_embeddings=0.1, lr=-0.2))
    x = rng.standard_normal((6, len(FEATURES)))
    steps = 1e-6 * np.eye(len(PARAMETERS))
    differences = [(log_bpb(parameters + step, x) - log_bpb(parameters - step, x)) / 2e-6 for step in steps]
    np.testing.assert_allclose(jacobian(parameters, x), np.array(differences).T, atol=1e-8)


def test_the_loss_of_a_large_residual_grows_linearly() -> None:
    """Beyond k = 1.345 Huber's loss, twice, is 2 k |r| - k^2: of 3 it is 6.260975, where the square would be 9."""
    numbers, slopes = huber_residuals(np.array([0.5, -1.0, 3.0, -3.0]))
    np.testing.assert_allclose(numbers, [0.5, -1.0, 6.260975**0.5, -(6.260975**0.5)])
    np.testing.assert_allclose(slopes, [1.0, 1.0, 1.345 / 6.260975**0.5, 1.345 / 6.260975**0.5])


def test_resampled_priors_have_other_means_at_their_own_distance() -> None:
    rng = np.random.default_rng(0)
    means = np.array([MEASURED.resample(rng).mean for _ in range(2000)])
    np.testing.assert_allclose(means.mean(axis=0), MEASURED.mean, atol=0.03)
    np.testing.assert_allclose(means.std(axis=0), MEASURED.sd, rtol=0.1)
    assert np.array_equal(MEASURED.resample(rng).sd, MEASURED.sd)


def test_priors_know_every_parameter() -> None:
    priors = Priors.from_terms({"rope": (-0.5, 0.25)}, **dict.fromkeys(TERMS, (1.0, 2.0)))
    mean, sd = (dict(zip(PARAMETERS, values, strict=True)) for values in (priors.mean, priors.sd))
    assert (mean["alpha"], sd["alpha"]) == (1.0, 2.0)
    assert (mean["position_encoding=rope"], sd["position_encoding=rope"]) == (-0.5, 0.25)
    assert (mean["tie_embeddings"], sd["tie_embeddings"]) == (0.0, 0.01)


def test_the_priors_are_the_law_of_trainings_on_another_corpus() -> None:
    fitted = fitted_parameters()
    priors = dict(zip(PARAMETERS, MEASURED.mean, strict=True))
    assert {name: round(fitted[name], 2) for name in TERMS} == {name: priors[name] for name in TERMS}
    positions = [name for name in PARAMETERS if name.startswith("position_encoding=")]
    assert [priors[name] for name in positions] == pytest.approx([fitted[name] for name in positions], abs=0.006)
