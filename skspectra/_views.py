"""What the members of a stack look at: one spectrum, treated in several ways."""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from skspectra._inference import forward_in_batches
from skspectra._scaling import rounding, scale_spectra
from skspectra._treatments import TREATMENTS, treated
from skspectra.nn import SpectralPredictor

__all__ = ["ENCODED", "Views", "learn_views"]

_WINDOW = 11  # of the derivatives, in channels: that of the baseline
# Derivatives after SNV over a part of the channels: smoother, and a band wide on any
# axis. Name: (treatment of the normalised spectra, width of the window).
_SMOOTH = {
    "first derivative, 2 %": ("sg1", 0.02),
    "second derivative, 3 %": ("sg2", 0.03),
    "first derivative, 5 %": ("sg1", 0.05),
    "second derivative, 7.5 %": ("sg2", 0.075),
}
_NARROWEST = 5  # of these windows, in channels
_N_SCORES = 20
# Channels that hardly vary are noise: added to the spread of each, in units of the
# largest, before spectra are divided by it.
_FLOOR = 1e-3
ENCODED = "autoscaled snv+sg1"  # what an encoder is trained on


class Standard(NamedTuple):
    """Mean and divisor of each channel of a treatment."""

    mean: np.ndarray
    spread: np.ndarray


class Whitening(NamedTuple):
    """Mean and principal axes, each divided by the spread along it."""

    mean: np.ndarray
    axes: np.ndarray  # (n_channels, n_components)


class Views(NamedTuple):
    """What was learnt of all spectra, reference values or not, by treatment."""

    standards: dict[str, Standard]
    whitenings: dict[str, Whitening]

    def look(self, X, pretrainer=None):
        """Return the views of spectra by name, each of shape (n_samples, n_features).

        X is (n_samples, n_channels), float64. The tokens of a fitted pretrainer are
        one view more; one that was frozen gets the spectra as they are.
        """
        views = dict(treated(X, _WINDOW))
        for name in TREATMENTS:  # too narrow for treatments: all are the same
            views.setdefault(name, X)
        for name, (treatment, part) in _SMOOTH.items():
            window = max(_NARROWEST, 2 * round((part * X.shape[1] - 1) / 2) + 1)
            ((_, views[name]),) = treated(views["snv"], window, [treatment])
        for name, (mean, spread) in self.standards.items():
            views[f"autoscaled {name}"] = (views[name] - mean) / spread
        for name, (mean, axes) in self.whitenings.items():
            views[f"scores {name}"] = (views[name] - mean) @ axes
        if pretrainer is not None:
            frozen = hasattr(pretrainer, "estimator")
            views["encoder"] = _tokens(pretrainer, X if frozen else views[ENCODED])
        return views


def learn_views(X):
    """Return the views that spectra give rise to; no reference value is needed.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        All spectra that `fit` got.

    Returns
    -------
    Views
        To look at these and at other spectra with.
    """
    plain = Views({}, {}).look(X)
    standards = {}
    for name in ("snv", "snv+sg1", *_SMOOTH):
        mean, spread = plain[name].mean(axis=0), plain[name].std(axis=0)
        equal = spread.max() <= rounding(mean)
        spread = spread + _FLOOR * spread.max()
        standards[name] = Standard(mean, np.ones_like(spread) if equal else spread)
    whitenings = {name: _whitening(plain[name]) for name in ("none", "snv+sg1")}
    return Views(standards, whitenings)


def _whitening(spectra):
    """Return the leading principal axes of spectra, without those of rounding."""
    n_components = min(_N_SCORES, len(spectra) - 1, spectra.shape[1])
    with np.errstate(invalid="ignore"):  # equal spectra: no variance to divide by
        # Of large tables the axes are found by random projections: always the same.
        pca = PCA(n_components, random_state=0).fit(spectra)
    spread = np.sqrt(pca.explained_variance_)
    real = spread > max(1e-6 * spread[0], rounding(pca.mean_))
    return Whitening(pca.mean_, pca.components_[real].T / spread[real])


def _tokens(pretrainer, spectra):
    """Return all tokens of an encoder side by side, (n_samples, n_features)."""
    predictor = SpectralPredictor(pretrainer.module_.encoder, 1, "concatenate")
    x = scale_spectra(spectra, pretrainer.mean_, pretrainer.scale_)
    return forward_in_batches(predictor.features, x, device=pretrainer.device)
