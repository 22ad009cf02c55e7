"""
What is kept of the pretraining
===============================

After the training the decoder is put aside. The encoder makes a few dozen numbers of
each spectrum, and nothing is hidden from it any more. What do they know of the
chemistry, and of what use is that?
"""

# %%
# A map of the spectra
# --------------------
# Simulated mixtures of four components. Each point is a new spectrum, at the first
# two principal components of the spectra, of what an encoder with random weights
# makes of them, and of what the pretrained one does. The colour is the fraction of
# one component, of which nobody told the network.

import matplotlib.pyplot as plt
from sklearn.decomposition import PCA

from skspectra import MaskedSpectralPretrainer
from skspectra.datasets import make_nir_mixtures

mixtures = make_nir_mixtures(
    n_samples=600, n_channels=140, baseline=0.01, random_state=0
)
X, y = mixtures.data, mixtures.target
scratch, pretrained = (
    MaskedSpectralPretrainer(
        patch_size=10, embed_dim=32, depth=2, max_epochs=epochs, random_state=0
    ).fit(X[:500])
    for epochs in (0, 150)
)
views = {
    "spectra": X,
    "encoder, random weights": scratch.transform(X),
    "encoder, pretrained": pretrained.transform(X),
}

figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
for ax, (name, view) in zip(axes, views.items(), strict=True):
    first, second = PCA(2).fit(view[:500]).transform(view[500:]).T
    points = ax.scatter(first, second, c=y[500:], s=14)
    ax.set(title=name, xlabel="First component", xticks=[], yticks=[])
axes[0].set_ylabel("Second component")
figure.colorbar(points, ax=axes, label="Fraction of the component")
plt.show()

# %%
# A calibration on it
# -------------------
# From 20 to 160 reference values: PLS on the spectra, and the linear map on the
# tokens of the frozen encoder (a *probe*), pretrained on all 500 spectra or with
# random weights. Both encoders are frozen and have seen no test spectrum.
#
# With few values PLS is ahead, with many the networks, and the random weights have
# most of what is gained. It is one draw of simulated spectra:
# :doc:`/guide/label_efficiency` has six sets and repeats.

from sklearn.frozen import FrozenEstimator
from sklearn.metrics import root_mean_squared_error

from skspectra import SpectralRegressor
from skspectra.evaluation import pls_baseline

models = {
    "PLS": pls_baseline(),
    "random encoder": SpectralRegressor(FrozenEstimator(scratch), strategy="probe"),
    "pretrained": SpectralRegressor(FrozenEstimator(pretrained), strategy="probe"),
}
sizes = [20, 40, 80, 160]
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for (name, model), marker in zip(models.items(), "so^", strict=True):
    errors = []
    for size in sizes:
        predicted = model.fit(X[:size], y[:size]).predict(X[500:])
        errors.append(root_mean_squared_error(y[500:], predicted))
    print(f"{name}: RMSEP", *(f"{error:.3f}" for error in errors))
    ax.plot(sizes, errors, marker=marker, label=name)
ax.set(xscale="log", xlabel="Reference values", ylabel="RMSEP of the fraction")
ax.set_xticks(sizes, sizes, minor=False)
ax.set_xticks([], minor=True)
ax.set_ylim(bottom=0)
ax.legend(frameon=False)
plt.show()
