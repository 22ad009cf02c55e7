"""Masked self-supervised pretraining for spectra, as scikit-learn estimators."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers, which do not run `__getattr__`
    from skspectra._classifier import SpectralClassifier
    from skspectra._normalizer import InstanceNormalizer
    from skspectra._novelty import SpectralNoveltyDetector
    from skspectra._persistence import load_model, save_model
    from skspectra._pls import PLSRegressionCV
    from skspectra._pretrainer import MaskedSpectralPretrainer
    from skspectra._regressor import SpectralRegressor
    from skspectra._resampler import AxisResampler
    from skspectra._stacking import SpectralStackingRegressor

__version__ = "0.1.0.dev0"

__all__ = [
    "AxisResampler",
    "InstanceNormalizer",
    "MaskedSpectralPretrainer",
    "PLSRegressionCV",
    "SpectralClassifier",
    "SpectralNoveltyDetector",
    "SpectralRegressor",
    "SpectralStackingRegressor",
    "load_model",
    "save_model",
]

# Torch takes seconds to import. What does not need it (the command line's help, PLS,
# the data) does not wait for it: each name is imported when it is first asked for.
_HOMES = {
    "AxisResampler": "skspectra._resampler",
    "InstanceNormalizer": "skspectra._normalizer",
    "MaskedSpectralPretrainer": "skspectra._pretrainer",
    "PLSRegressionCV": "skspectra._pls",
    "SpectralClassifier": "skspectra._classifier",
    "SpectralNoveltyDetector": "skspectra._novelty",
    "SpectralRegressor": "skspectra._regressor",
    "SpectralStackingRegressor": "skspectra._stacking",
    "load_model": "skspectra._persistence",
    "save_model": "skspectra._persistence",
}


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'skspectra' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__():
    return [*globals(), *__all__]
