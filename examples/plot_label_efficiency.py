"""
How many reference values are enough?
=====================================

Each reference value costs money. A label-efficiency curve shows the error at several
numbers of them: all estimators get the same labelled rows, and those that can use
spectra without reference values, as a pretrainer can, get the remaining training rows
without.
"""

# %%
# Three estimators
# ----------------
# PLS, the network from scratch, and the network pretrained in each fold. Probes instead
# of fine-tuning keep this page quick.

from sklearn.pipeline import make_pipeline

from skspectra import InstanceNormalizer, MaskedSpectralPretrainer, SpectralRegressor
from skspectra.evaluation import pls_baseline


def network(max_epochs):
    """Return SNV, a pretrainer of so many epochs, and a probe."""
    pretrainer = MaskedSpectralPretrainer(
        patch_size=10, embed_dim=32, depth=2, decoder_dim=32, max_epochs=max_epochs
    )
    return make_pipeline(
        InstanceNormalizer(), SpectralRegressor(pretrainer, strategy="probe")
    )


estimators = {
    "PLS": pls_baseline(),
    "network from scratch": network(0),
    "pretrained network": network(60),
}

# %%
# The curve
# ---------
# Sizes are numbers of labelled spectra. Pieces of meat are labelled whole and held out
# whole.

from skspectra.datasets import load_tecator
from skspectra.evaluation import label_efficiency_curve

meat = load_tecator()
curve = label_efficiency_curve(
    estimators,
    meat.data,
    meat.target,
    train_sizes=[15, 30, 60, 120],
    groups=meat.groups,
    cv=3,
    random_state=0,
)
print(curve)

# %%
# Bars are standard errors; they allow for folds sharing their training rows. Three
# folds are few: use more, and ``n_repeats``, for a figure that you show to others.

import matplotlib.pyplot as plt

curve.plot()
plt.show()
