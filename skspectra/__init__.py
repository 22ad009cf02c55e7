"""Masked self-supervised pretraining for spectra, as scikit-learn estimators."""

from skspectra._normalizer import InstanceNormalizer
from skspectra._pls import PLSRegressionCV
from skspectra._pretrainer import MaskedSpectralPretrainer
from skspectra._regressor import SpectralRegressor

__version__ = "0.1.0.dev0"

__all__ = [
    "InstanceNormalizer",
    "MaskedSpectralPretrainer",
    "PLSRegressionCV",
    "SpectralRegressor",
]
