"""The methods that accuracy.py compares, and what each of them rests on.

A method that uses the pool gets all training rows, with y NaN where the reference value
is hidden; the others get the labelled rows. A companion of a new kind is one line in
METHODS.
"""

from functools import partial
from importlib import import_module
from typing import NamedTuple

from accuracy_rivals import Derivative, EvidenceGP, KernelRidgeCV, Scores, Stack
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    SpectralRegressor,
    SpectralStackingRegressor,
)
from skspectra.evaluation import pls_baseline

__all__ = ["METHODS", "Method", "available"]


class Method(NamedTuple):
    """How a regressor is made, and whether it learns from the pool."""

    make: object
    uses_pool: bool


def ridge():
    """Return ridge regression on derivatives."""
    return make_pipeline(InstanceNormalizer(), Derivative(), KernelRidgeCV())


def kernel_ridge():
    """Return RBF kernel ridge regression on normalised spectra."""
    return make_pipeline(InstanceNormalizer(), KernelRidgeCV("rbf"))


def gaussian_process(random_state=None):
    """Return a Gaussian process on principal components of derivatives."""
    return make_pipeline(
        InstanceNormalizer(), Derivative(), Scores(), EvidenceGP(500, random_state)
    )


def stacked():
    """Return the four above, weighed."""
    return Stack([pls_baseline(), ridge(), kernel_ridge(), gaussian_process(0)])


def minirocket():
    """Return ridge regression on the answers of random convolutions."""
    from aeon.transformations.collection.convolution_based import MiniRocket

    return make_pipeline(
        InstanceNormalizer(), MiniRocket(), StandardScaler(), KernelRidgeCV()
    )


def tabicl(checkpoint):
    """Return the tabular foundation model on principal components of derivatives."""
    from tabicl import TabICLRegressor

    model = TabICLRegressor(
        model_path=checkpoint, allow_auto_download=False, random_state=None
    )
    return make_pipeline(InstanceNormalizer(), Derivative(), Scores(), model)


def masked(strategy="fine_tune", **pretraining):
    """Return this package's regressor on normalised spectra."""
    pretrainer = MaskedSpectralPretrainer(**pretraining)
    return make_pipeline(
        InstanceNormalizer(), SpectralRegressor(pretrainer, strategy=strategy)
    )


class StackWithEncoder(SpectralStackingRegressor):
    """The stack with a small encoder of 40 patches, pretrained for so many steps."""

    def __init__(self, n_steps, *, random_state=None):
        super().__init__(random_state=random_state)
        self.n_steps = n_steps

    def fit(self, X, y, *, groups=None):
        """Fit, with a pretrainer that suits the shape of X."""
        n_batches = -(-len(X) // 64)
        self.pretrainer = MaskedSpectralPretrainer(
            patch_size=-(-X.shape[1] // 40),
            embed_dim=64,
            depth=2,
            batch_size=64,
            max_epochs=-(-self.n_steps // n_batches),
        )
        return super().fit(X, y, groups=groups)


METHODS = {
    "PLS": Method(pls_baseline, uses_pool=False),
    "ridge": Method(ridge, uses_pool=False),
    "kernel ridge": Method(kernel_ridge, uses_pool=False),
    "Gaussian process": Method(gaussian_process, uses_pool=False),
    "four stacked": Method(stacked, uses_pool=False),
    "MiniRocket": Method(minirocket, uses_pool=False),
    "TabICL": Method(tabicl, uses_pool=False),
    "from scratch": Method(partial(masked, max_epochs=0), uses_pool=True),
    "probe": Method(partial(masked, "probe"), uses_pool=True),
    "fine-tuned": Method(masked, uses_pool=True),
    "skspectra": Method(SpectralStackingRegressor, uses_pool=True),
    "skspectra, encoder": Method(partial(StackWithEncoder, 100), uses_pool=True),
    "skspectra, untrained": Method(partial(StackWithEncoder, 0), uses_pool=True),
}


def available(names, tabicl_checkpoint=None):
    """Return the methods that can run here, and a line for each that cannot."""
    methods, missing = {}, []
    for name in names:
        make = METHODS[name].make
        lacking = _lacking(name, tabicl_checkpoint)
        if lacking:
            missing.append(f"{name} is left out: {lacking}")
            continue
        if name == "TabICL":
            make = partial(make, tabicl_checkpoint)
        methods[name] = METHODS[name]._replace(make=make)
    return methods, missing


def _lacking(name, tabicl_checkpoint):
    """Say what a method needs that is not here, or return None."""
    if name == "TabICL" and not tabicl_checkpoint:
        return "it needs --tabicl-checkpoint FILE."
    package = {"MiniRocket": "aeon", "TabICL": "tabicl"}.get(name)
    try:
        import_module(package or "sklearn")
    except ImportError as error:
        return f"it needs the package {package} ({error})."
    return None
