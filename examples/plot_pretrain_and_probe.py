"""
Pretrain on all spectra, calibrate on a few
===========================================

A spectrometer is fast and the laboratory is slow: often there are hundreds of spectra
and a few dozen reference values. PLS can only use the spectra that have one. Here a
network learns from all training spectra what they look like, and 40 reference values
then give it a linear map from what it has learnt to the fat content of meat (a *probe*:
the network itself stays as it is).

Two others stand beside it: PLS, tuned on the same 40 values, and the same network with
random weights. The second one is needed to see what the pretraining did: random
features with a ridge regression are a decent model by themselves.
"""

# %%
# Spectra, and whose they are
# ---------------------------
# The 215 spectra come from 178 pieces of meat. A piece is either trained on or tested
# on, never both, and 40 training spectra keep their reference value.

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from skspectra.datasets import load_tecator

meat = load_tecator()
split = GroupShuffleSplit(n_splits=1, test_size=0.4, random_state=0)
train, test = next(split.split(meat.data, groups=meat.groups))
labelled = np.random.default_rng(0).choice(train, 40, replace=False)

# %%
# Pretrain
# --------
# Normalise each spectrum by itself (SNV), then hide half of its patches and learn to
# rebuild them. The score is the share of the hidden variance that is explained in
# spectra of the test set: the mean spectrum would score 0.

from skspectra import InstanceNormalizer, MaskedSpectralPretrainer

X = InstanceNormalizer().fit_transform(meat.data)
pretrainer = MaskedSpectralPretrainer(
    patch_size=10, embed_dim=32, depth=2, decoder_dim=32, random_state=0
)
pretrainer.fit(X[train])
print(f"R² of hidden channels: {pretrainer.score(X[test]):.3f}")

# %%
# Probe
# -----
# ``FrozenEstimator`` keeps the weights just learnt. Without it the regressor would
# follow scikit-learn's custom, clone the pretrainer, and train it again on the 40
# spectra alone.

from sklearn.frozen import FrozenEstimator

from skspectra import SpectralRegressor
from skspectra.evaluation import pls_baseline

scratch = MaskedSpectralPretrainer(**pretrainer.get_params()).set_params(max_epochs=0)
models = {
    "PLS": (pls_baseline(), meat.data),
    "network from scratch": (SpectralRegressor(scratch, strategy="probe"), X),
    "pretrained network": (
        SpectralRegressor(FrozenEstimator(pretrainer), strategy="probe"),
        X,
    ),
}

# %%
# Compare
# -------
# One split and one draw of labels are a picture, no evidence: see
# :ref:`sphx_glr_auto_examples_plot_label_efficiency.py` for repeated folds.

import matplotlib.pyplot as plt
from sklearn.metrics import root_mean_squared_error

figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), sharex=True, sharey=True)
for ax, (name, (model, spectra)) in zip(axes, models.items(), strict=True):
    model.fit(spectra[labelled], meat.target[labelled], groups=meat.groups[labelled])
    predicted = model.predict(spectra[test])
    rmsep = root_mean_squared_error(meat.target[test], predicted)
    ax.axline((20, 20), slope=1, color="0.6", lw=1)
    ax.scatter(meat.target[test], predicted, s=12)
    ax.set(title=f"{name}\nRMSEP {rmsep:.2f} %", xlabel="Measured fat (%)")
axes[0].set_ylabel("Predicted fat (%)")
figure.tight_layout()
plt.show()
