"""The subspace that spectra lie in, and how far from it and inside it others lie.

Knows arrays only, no estimator: SpectralNoveltyDetector in `_novelty` is the entry.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skspectra._scaling import rounding

__all__ = [
    "Subspace",
    "distances",
    "most_likely_size",
    "principal_axes",
    "smallest_square",
]


class Subspace(NamedTuple):
    """Principal components: spectra are mean + scores @ axes, and a rest."""

    mean: np.ndarray  # (n_channels,)
    axes: np.ndarray  # (n_components, n_channels)
    variances: np.ndarray  # (n_components,), falling
    rest: np.ndarray  # (n_components + 1,), variance beyond 0, 1, 2, … components

    def cut(self, n_components: int) -> "Subspace":
        """Return the same with fewer components."""
        return Subspace(
            self.mean,
            np.ascontiguousarray(self.axes[:n_components]),
            self.variances[:n_components].copy(),
            self.rest[: n_components + 1],
        )

    def size_of_share(self, share: float) -> int:
        """Return the smallest number of components with a share of the variance."""
        return int(np.argmax(self.rest <= (1 - share) * self.rest[0]))


def smallest_square(X: np.ndarray) -> float:
    """Return what the square of a number of X has to reach to be no rounding."""
    return max(float(rounding(X)) ** 2, 1e-300)


def principal_axes(X: np.ndarray) -> Subspace:
    """Return all components of spectra whose variance is above rounding."""
    mean = X.mean(axis=0)
    _, singular, axes = np.linalg.svd(X - mean, full_matrices=False)
    n_free = max(len(X) - 1, 1)
    smallest = rounding(X) * np.sqrt(X.size)
    rank = min(int(np.sum(singular > smallest)), n_free)
    variances = singular[:rank] ** 2 / n_free
    rest = np.concatenate([np.cumsum(variances[::-1])[::-1], [0.0]])
    return Subspace(mean, axes[:rank], variances, rest)


def distances(subspace: Subspace, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Q, the squared residual, and Hotelling's T² of each spectrum."""
    centred = X - subspace.mean
    scores = centred @ subspace.axes.T
    q = ((centred - scores @ subspace.axes) ** 2).sum(axis=1)
    return q, (scores**2 / subspace.variances).sum(axis=1)


def most_likely_size(
    X: np.ndarray, splits: Sequence[tuple[np.ndarray, np.ndarray]]
) -> int:
    """Return the number of components under which held-out spectra are likeliest.

    Likely by probabilistic PCA: scores are Gaussian, and so is the rest, as wide in
    every direction. A component too many has a variance too small for new spectra.
    """
    curves = [
        _log_likelihoods(principal_axes(X[train]), X[test]) for train, test in splits
    ]
    n_tried = min(map(len, curves))
    return int(np.argmax(sum(curve[:n_tried] for curve in curves)))


def _log_likelihoods(subspace: Subspace, X: np.ndarray) -> np.ndarray:
    """Return the summed log likelihood of spectra with 0, 1, 2, … components."""
    centred = X - subspace.mean
    squared = (centred @ subspace.axes.T) ** 2
    whole = (centred**2).sum()
    inside = np.cumsum(squared / subspace.variances, axis=1).sum(axis=0)
    outside = np.concatenate([[whole], whole - np.cumsum(squared.sum(axis=0))])
    n_components = np.arange(len(subspace.rest))
    n_other = np.maximum(X.shape[1] - n_components, 0)
    # Of a difference of sums no more than this is known.
    floor = max(10 * np.finfo(np.float64).eps * whole / X.size, smallest_square(X))
    width = np.maximum(subspace.rest / np.maximum(n_other, 1), floor)
    outside = np.maximum(outside, 0.0) / width + len(X) * n_other * np.log(width)
    outside[n_other == 0] = 0.0  # nothing is left, not even rounding
    logs = np.concatenate([[0.0], np.cumsum(np.log(subspace.variances))])
    return -0.5 * (len(X) * logs + np.concatenate([[0.0], inside]) + outside)
