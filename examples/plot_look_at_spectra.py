"""
Look at spectra, at a training and at what it made
==================================================

Before any figure of merit: what do the spectra look like, did the pretraining get
anywhere, and does its embedding know about the target? Four drawings of fat in meat.
They can be read in grey and without colour vision: series differ in marker or dash, and
the shades of a quantity run from dark to light.
"""

# %%
# The spectra
# -----------
# As measured, offsets and slopes hide the fat. Behind the normaliser, the first step of
# the pipeline below, it can be seen.

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline

from skspectra import InstanceNormalizer, MaskedSpectralPretrainer, SpectralRegressor
from skspectra.datasets import load_tecator
from skspectra.inspection import SpectraDisplay

meat = load_tecator()
train = meat.groups % 3 > 0  # whole pieces of meat
X, fat = meat.data, meat.target
pretrainer = MaskedSpectralPretrainer(
    patch_size=10, embed_dim=32, depth=2, decoder_dim=32, max_epochs=60
)
model = make_pipeline(
    InstanceNormalizer(),
    SpectralRegressor(pretrainer, max_epochs=60, early_stopping=True, random_state=0),
).fit(X[train], fat[train], spectralregressor__groups=meat.groups[train])

figure, axes = plt.subplots(2, figsize=(6.4, 6), layout="constrained")
known = {"x_axis": meat.x_axis, "x_unit": meat.x_unit, "y_name": "fat", "y_unit": "%"}
SpectraDisplay.from_spectra(X, fat, **known, quantity="Absorbance", ax=axes[0])
SpectraDisplay.from_estimator(
    model, X, fat, **known, quantity="Absorbance, normalised", ax=axes[1]
)
plt.show()

# %%
# The trainings
# -------------
# Both losses are divided by a variance: 1 is what predicting the mean would give. The
# pretraining has not come to rest, and more epochs may help. Fine-tuning begins where
# a ridge regression on the encoder ends; the star marks the lowest validation loss.

from skspectra.inspection import LossCurveDisplay

regressor = model[-1]
LossCurveDisplay.from_estimator(
    {"pretraining": regressor.pretrainer_, "fine-tuning": regressor}
)
plt.show()

# %%
# A map of the encoder's output
# -----------------------------
# The pretraining has seen no fat, and yet lean and fat meat lie apart.

from skspectra.inspection import EmbeddingDisplay

EmbeddingDisplay.from_estimator(model, X, fat, y_name="fat", y_unit="%")
plt.show()

# %%
# New pieces of meat, beside PLS
# ------------------------------
# The control of every figure here: PLS, and the same network without pretraining. One
# split is no verdict; :func:`skspectra.evaluation.compare` gives one.

from sklearn.base import clone

from skspectra.evaluation import pls_baseline
from skspectra.inspection import PredictionDisplay

scratch = clone(model).set_params(spectralregressor__pretrainer__max_epochs=0)
scratch.fit(X[train], fat[train], spectralregressor__groups=meat.groups[train])
models = {
    "pretrained": model,
    "from scratch": scratch,
    "PLS": pls_baseline().fit(X[train], fat[train], groups=meat.groups[train]),
}
figure, axes = plt.subplots(1, 3, figsize=(9.6, 4), layout="constrained")
for (name, each), ax in zip(models.items(), axes, strict=True):
    PredictionDisplay.from_estimator(
        each, X[~train], fat[~train], y_name="fat", y_unit="%", ax=ax
    )
    ax.set_xlabel(f"Measured fat (%)\n{name}")
plt.show()
