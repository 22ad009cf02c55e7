"""What the field has beside PLS, small: ridge, kernels, Gaussian process, a stack.

What cross-validates takes `groups` in `fit` and keeps them whole.
"""

import warnings

import numpy as np
from scipy.signal import savgol_filter
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    WhiteKernel,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import GroupKFold, KFold

from skspectra.evaluation._trials import _last_step, _takes_groups

__all__ = ["Derivative", "EvidenceGP", "KernelRidgeCV", "Scores", "Stack", "fit"]

_ALPHAS = tuple(10.0 ** (power / 2) for power in range(-20, 5))


def fit(model, X, y, groups=None):
    """Fit a model or a pipeline, with the groups if it takes them.

    One group of labelled rows is none: nothing can be held out whole.
    """
    path, last = _last_step(model)
    several = groups is not None and len(np.unique(groups[~np.isnan(y)])) > 1
    if several and _takes_groups(last):
        return model.fit(X, y, **{f"{path}groups": groups})
    return model.fit(X, y)


def folds(X, groups, n_folds=5):
    """Return splits into five, or as many as there are groups; shuffled rows else."""
    if groups is None:
        splitter = KFold(min(n_folds, len(X)), shuffle=True, random_state=0)
    else:
        splitter = GroupKFold(min(n_folds, len(np.unique(groups))))
    return list(splitter.split(X, groups=groups))


class Derivative(TransformerMixin, BaseEstimator):
    """First Savitzky-Golay derivative; no spectrum tells another anything."""

    def __init__(self, window=11, polyorder=2):
        self.window = window
        self.polyorder = polyorder

    def fit(self, X, y=None):
        """Learn nothing."""
        return self

    def transform(self, X):
        """Return the slope at each channel."""
        window = min(self.window, X.shape[1] - 1 + X.shape[1] % 2)
        return savgol_filter(X, window, self.polyorder, deriv=1)


class Scores(TransformerMixin, BaseEstimator):
    """Scores on the first principal components, divided by one number.

    One number, and not one for each component, leaves the later and noisier ones the
    small. It is the root mean square of the first component.
    """

    def __init__(self, n_components=20):
        self.n_components = n_components

    def fit(self, X, y=None):
        """Learn the components, no more than the rows define."""
        n_components = min(self.n_components, len(X) - 1, X.shape[1])
        self.pca_ = PCA(n_components, svd_solver="full").fit(X)
        self.scale_ = np.sqrt(self.pca_.explained_variance_[0]) or 1.0
        return self

    def transform(self, X):
        """Return the scores."""
        return self.pca_.transform(X) / self.scale_


class KernelRidgeCV(RegressorMixin, BaseEstimator):
    """Ridge regression on inner products or on an RBF kernel, cross-validated.

    X is centred and divided by its root mean square distance to the centre, so that
    one list of `alphas` serves all spectra. `widths` are those of the RBF kernel, in
    units of the median distance; ignored by the linear one.
    """

    def __init__(
        self,
        kernel="linear",
        alphas=_ALPHAS,
        widths=(0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
    ):
        self.kernel = kernel
        self.alphas = alphas
        self.widths = widths

    def fit(self, X, y, groups=None):
        """Choose the penalty, and the width, by five folds, then fit all rows."""
        X = np.asarray(X, dtype=np.float64)  # MiniRocket's are float32
        self.centre_, self.y_mean_ = X.mean(axis=0), y.mean()
        X = X - self.centre_
        self.scale_ = np.sqrt((X**2).sum(axis=1).mean()) or 1.0
        self.X_ = X / self.scale_
        y = y - self.y_mean_
        splits, found = folds(X, groups), []
        for width in self._widths():
            errors = _held_out(self._compare(self.X_, width), y, self.alphas, splits)
            found.append((errors.min(), self.alphas[errors.argmin()], width))
        _, self.alpha_, self.width_ = min(found, key=lambda choice: choice[0])
        kernel = self._compare(self.X_, self.width_)
        self.ridge_ = KernelRidge(alpha=self.alpha_, kernel="precomputed")
        self.ridge_.fit(kernel, y)
        return self

    def predict(self, X):
        """Predict."""
        X = (X - self.centre_) / self.scale_
        return self.ridge_.predict(self._compare(X, self.width_)) + self.y_mean_

    def _widths(self):
        if self.kernel == "linear":
            return [None]
        distances = euclidean_distances(self.X_)
        apart = distances[np.triu_indices_from(distances, 1)]
        # Repeated scans are no distance apart; half of all pairs may be such.
        median = np.median(apart[apart > 0]) if (apart > 0).any() else 1.0
        return [width * median for width in self.widths]

    def _compare(self, X, width):
        """Return the kernel between X and the rows of `fit`."""
        if width is None:
            return X @ self.X_.T
        squared = euclidean_distances(X, self.X_, squared=True)
        return np.exp(-squared / (2 * width**2))


def _held_out(kernel, y, alphas, splits):
    """Return the summed squared error of held-out rows at each penalty.

    One eigendecomposition a fold serves all penalties; a grid search over KernelRidge
    takes five times as long on 200 rows.
    """
    errors = np.zeros(len(alphas))
    for train, test in splits:
        values, vectors = np.linalg.eigh(kernel[np.ix_(train, train)])
        values = np.maximum(values, 0)[:, None] + np.asarray(alphas)
        path = vectors @ ((vectors.T @ y[train])[:, None] / values)
        predicted = kernel[np.ix_(test, train)] @ path  # (n_test, n_alphas)
        errors += ((predicted - y[test, None]) ** 2).sum(axis=0)
    return errors


class EvidenceGP(RegressorMixin, BaseEstimator):
    """Gaussian process, linear and RBF, whose parameters maximise the evidence.

    With more than `most` rows the parameters are those of a random part of them, and
    all rows are conditioned on.
    """

    def __init__(self, most=500, random_state=None):
        self.most = most
        self.random_state = random_state

    def fit(self, X, y):
        """Find the parameters of the kernel, then condition on all rows."""
        kernel = (
            ConstantKernel(1.0, (1e-4, 1e5)) * DotProduct(1.0, (1e-3, 1e3))
            + ConstantKernel(1.0, (1e-4, 1e5)) * RBF(1.0, (1e-2, 1e3))
            + WhiteKernel(0.1, (1e-6, 1e1))
        )
        part = np.random.RandomState(self.random_state).permutation(len(X))[: self.most]
        process = GaussianProcessRegressor(kernel, normalize_y=True)
        with warnings.catch_warnings():
            # A parameter at its bound says that its part of the kernel is not needed.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.process_ = process.fit(X[part], y[part])
        if len(part) < len(X):
            kernel = self.process_.kernel_
            process = GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True)
            self.process_ = process.fit(X, y)
        return self

    def predict(self, X):
        """Predict."""
        return self.process_.predict(X)


class Stack(RegressorMixin, BaseEstimator):
    """Weigh several models by non-negative least squares on held-out predictions.

    scikit-learn's StackingRegressor would not pass groups on to the models.
    """

    def __init__(self, models):
        self.models = models

    def fit(self, X, y, groups=None):
        """Weigh the models by five folds, then fit them to all rows."""
        held_out = np.empty((len(X), len(self.models)))
        for train, test in folds(X, groups):
            inside = None if groups is None else groups[train]
            for column, model in enumerate(self.models):
                fitted = fit(clone(model), X[train], y[train], inside)
                held_out[test, column] = fitted.predict(X[test])
        self.weights_ = LinearRegression(positive=True).fit(held_out, y)
        self.models_ = [fit(clone(model), X, y, groups) for model in self.models]
        return self

    def predict(self, X):
        """Predict."""
        predicted = [model.predict(X) for model in self.models_]
        return self.weights_.predict(np.column_stack(predicted))
