"""Gaussian processes on several views, against scikit-learn's and by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern
from sklearn.metrics import r2_score

from skspectra._gaussian_process import (
    _JITTER,
    _cost,
    _search,
    compare,
    fit_process,
    matern,
)

BOTH = [("a", "linear"), ("a", "matern")]


def curved(n_samples=60, n_features=4, seed=0):
    """Features, and a target that is a line and a wave of them, with noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)) / np.sqrt(n_features)
    y = X[:, 0] + np.sin(4 * X[:, 1]) + rng.normal(0, 0.1, n_samples)
    return X, (y - y.mean()) / y.std()


def halves(n_samples):
    return [np.arange(0, n_samples, 2), np.arange(1, n_samples, 2)]


def fit(X, y, kinds=BOTH, folds=None, seed=0):
    folds = halves(len(y)) if folds is None else folds
    rng = np.random.RandomState(seed)
    return fit_process(kinds, {"a": compare(X, X)}, y, folds, rng)


def found(X, y, kinds=BOTH):
    """Return the noise and the parts that the search settles on."""
    return _search(kinds, {"a": compare(X, X)}, y, np.arange(len(y)))


def predict(process, X, train):
    """Predict as the docstring of Process says."""
    compared = compare(X, train)
    kernel = np.ones_like(compared.products)
    for part in process.parts:
        if part.length is None:
            kernel += part.variance * compared.products
        else:
            kernel += part.variance * matern(compared.distances, part.length)
    return kernel @ process.dual


def scikit_learn(parts, noise):
    """Return scikit-learn's process with these parameters, as they are."""
    kernel = ConstantKernel(1.0)
    for part in parts:
        shape = DotProduct(0.0, "fixed")
        if part.length is not None:
            shape = Matern(part.length, nu=1.5)
        kernel += ConstantKernel(part.variance) * shape
    return GaussianProcessRegressor(kernel, alpha=noise, optimizer=None)


def cost(theta, X, y, prior=0.0, spread=np.inf):
    """Minus the logarithm of the evidence of a linear and a Matérn part."""
    compared = compare(X, X)
    tables = [compared.products, compared.distances]
    prior, spread = np.full(4, prior), np.full(4, spread)
    return _cost(theta, tables, np.array([False, True]), y, prior, spread)


# --- kernels -------------------------------------------------------------------


@pytest.mark.parametrize("length", [0.01, 0.5, 30.0])
def test_matern_is_that_of_scikit_learn(length):
    X, _ = curved()
    distances = compare(X[:20], X).distances
    expected = Matern(length, nu=1.5)(X[:20], X)
    assert_allclose(matern(distances, length), expected, rtol=1e-9, atol=1e-12)


def test_equal_rows_are_at_distance_zero_but_for_rounding():
    X, _ = curved()
    distances = compare(X, X).distances
    # The kernel is flat at 0: 1e-8 in the distance is 1e-16 in it.
    assert np.diag(distances).max() < 1e-7
    assert_allclose(np.diag(matern(distances, 0.1)), 1.0, atol=1e-12)


# --- the search ----------------------------------------------------------------

THETAS = [np.log([0.1, 1.0, 1.0, 1.5]), np.log([1e-3, 0.2, 5.0, 0.3])]


@pytest.mark.parametrize("theta", THETAS, ids=["near", "far"])
def test_the_evidence_is_that_of_scikit_learn(theta):
    X, y = curved()
    noise, linear, bent, length = np.exp(theta)
    kernel = ConstantKernel(linear) * DotProduct(0.0, "fixed")
    kernel += ConstantKernel(bent) * Matern(length, nu=1.5)
    theirs = GaussianProcessRegressor(kernel, alpha=noise + _JITTER, optimizer=None)
    evidence = theirs.fit(X, y).log_marginal_likelihood_value_
    constant = 0.5 * len(y) * np.log(2 * np.pi)
    assert cost(theta, X, y)[0] == pytest.approx(-evidence - constant, rel=1e-9)


def test_priors_are_normal():
    X, y = curved()
    with_prior = cost(THETAS[0], X, y, prior=0.3, spread=2.0)[0]
    deviation = 0.5 * np.sum(((THETAS[0] - 0.3) / 2.0) ** 2)
    assert with_prior == pytest.approx(cost(THETAS[0], X, y)[0] + deviation)


@pytest.mark.parametrize("theta", THETAS, ids=["near", "far"])
def test_the_gradient_is_that_of_finite_differences(theta):
    X, y = curved()
    numeric = approx_fprime(theta, lambda t: cost(t, X, y, 0.3, 2.0)[0], 1e-6)
    assert_allclose(cost(theta, X, y, 0.3, 2.0)[1], numeric, rtol=1e-4, atol=1e-3)


def test_a_kernel_that_cannot_be_factored_is_a_step_too_far():
    X, y = curved()
    value, gradient = _cost(
        np.array([-40.0, 8.0]), [-X @ X.T], np.array([False]), y, np.zeros(2), 1.0
    )
    assert value > 1e20
    assert_array_equal(gradient, 0.0)


def test_no_neighbour_of_what_the_search_finds_is_better():
    X, y = curved()
    noise, (line, wave) = found(X, y)
    best = np.log([noise - _JITTER, line.variance, wave.variance, wave.length])
    prior = np.r_[np.log(0.1), np.log(0.5), np.log(0.5), 0.5]
    spread = np.r_[2.0, 3.0, 3.0, 1.0]

    def total(theta):
        return cost(theta, X, y)[0] + 0.5 * np.sum(((theta - prior) / spread) ** 2)

    rng = np.random.default_rng(0)
    for scale in (0.01, 0.1, 1.0):
        for step in rng.normal(0, scale, (20, 4)):
            assert total(best + step) > total(best) - 1e-3


# --- the fit -------------------------------------------------------------------


def test_predictions_are_those_of_scikit_learn():
    X, y = curved(90)
    train, test = np.arange(60), np.arange(60, 90)
    process = fit(X[train], y[train])
    noise, parts = found(X[train], y[train])
    assert process.parts == parts
    theirs = scikit_learn(parts, noise).fit(X[train], y[train])
    assert_allclose(
        predict(process, X[test], X[train]), theirs.predict(X[test]), atol=1e-8
    )


def test_held_out_rows_are_predicted_as_by_a_fit_without_them():
    X, y = curved()
    folds = [np.arange(7), np.arange(7, 30), np.arange(30, 60)]
    process = fit(X, y, folds=folds)
    noise, parts = found(X, y)
    for fold in folds:
        others = np.setdiff1d(np.arange(60), fold)
        theirs = scikit_learn(parts, noise).fit(X[others], y[others])
        assert_allclose(process.held_out[fold], theirs.predict(X[fold]), atol=1e-7)


def test_two_views_are_one_of_their_columns_side_by_side():
    X, y = curved()
    views = {"a": compare(X[:, :2], X[:, :2]), "b": compare(X[:, 2:], X[:, 2:])}
    kinds = [("a", "linear"), ("b", "linear")]
    process = fit_process(kinds, views, y, halves(60), np.random.RandomState(0))
    noise, parts = _search(kinds, views, y, np.arange(60))
    assert [part.view for part in process.parts] == ["a", "b"]
    weights = np.sqrt([part.variance for part in parts]).repeat(2)
    kernel = ConstantKernel(1.0) + DotProduct(0.0, "fixed")
    theirs = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None)
    assert_allclose(process.dual, theirs.fit(X * weights, y).alpha_, atol=1e-7)


def test_a_curved_kernel_learns_the_wave_that_a_linear_one_cannot():
    X, y = curved(160)
    train, test = slice(80), slice(80, 160)
    score = {
        kind: r2_score(
            y[test], predict(fit(X[train], y[train], [("a", kind)]), X[test], X[train])
        )
        for kind in ("linear", "matern")
    }
    assert score["linear"] < 0.7
    assert score["matern"] > 0.8


def test_of_many_rows_some_are_searched_on_and_the_seed_says_which():
    X, y = curved(700)
    kinds, train = [("a", "matern")], slice(600)
    one, again, other = (fit(X[train], y[train], kinds, seed=s) for s in (0, 0, 1))
    assert one.parts == again.parts
    assert_array_equal(one.dual, again.dual)
    assert_array_equal(one.held_out, again.held_out)
    assert one.parts != other.parts
    assert one.dual.shape == (600,)  # all rows are fitted, whatever was searched on
    assert r2_score(y[600:], predict(one, X[600:], X[train])) > 0.95


def test_few_rows_are_all_searched_on_and_draw_nothing():
    X, y = curved()
    rng = np.random.RandomState(0)
    fit_process(BOTH, {"a": compare(X, X)}, y, halves(60), rng)
    assert rng.randint(1000) == np.random.RandomState(0).randint(1000)
