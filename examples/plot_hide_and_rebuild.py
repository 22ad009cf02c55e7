"""
Hide and rebuild
================

What a network sees in masked pretraining, what it is asked, and how it gets better at
it; :doc:`/guide/how_it_works` explains these pictures. The spectra are simulated
mixtures of four components, whose bands rise and fall together: that is what there is
to be found.
"""

# %%
# Cut and hide
# ------------
# 140 channels are cut into patches of 10, and half of the patches are hidden. What is
# left is all that the encoder gets.

import matplotlib.pyplot as plt
import numpy as np

from skspectra import MaskedSpectralPretrainer
from skspectra.datasets import make_nir_mixtures

mixtures = make_nir_mixtures(
    n_samples=600, n_channels=140, baseline=0.01, random_state=0
)
nm, train, test = mixtures.x_axis, mixtures.data[:500], mixtures.data[500:]
models = {}
for epochs in (0, 10, 150):
    models[epochs] = MaskedSpectralPretrainer(
        patch_size=10, embed_dim=32, depth=2, max_epochs=epochs, random_state=0
    ).fit(train)
spectrum = test[0]
hidden = models[150].reconstruct([spectrum]).hidden[0]
edges = nm[::10] - (nm[1] - nm[0]) / 2


def shade(ax):
    """Draw hidden patches grey."""
    for edge in edges[hidden[::10]]:
        ax.axvspan(edge, edge + edges[1] - edges[0], color="0.9", lw=0)


figure, axes = plt.subplots(2, 1, figsize=(6.4, 4), sharex=True, sharey=True)
axes[0].plot(nm, spectrum)
axes[0].vlines(edges, *axes[0].get_ylim(), color="0.8", lw=0.8, zorder=0)
axes[1].plot(nm, np.where(hidden, np.nan, spectrum))
shade(axes[1])
axes[0].set_title("the spectrum, cut into patches", loc="left", fontsize="medium")
axes[1].set_title("what the encoder sees", loc="left", fontsize="medium")
axes[1].set_xlabel("Wavelength (nm)")
figure.supylabel("Absorbance", fontsize="medium")
figure.tight_layout()
plt.show()

# %%
# Rebuild
# -------
# The same spectrum with the same patches hidden, before the training, after ten
# epochs and after all of them.

figure, axes = plt.subplots(3, 1, figsize=(6.4, 5.6), sharex=True, sharey=True)
for ax, (epochs, model) in zip(axes, models.items(), strict=True):
    rebuilt = model.reconstruct([spectrum], hidden).reconstruction[0]
    shade(ax)
    ax.plot(nm, spectrum, label="spectrum")
    ax.plot(nm, np.where(hidden, rebuilt, np.nan), "--", label="rebuilt")
    ax.plot(nm, model.mean_, ":", color="0.4", lw=1, label="mean spectrum")
    ax.set_title(f"{epochs} epochs", loc="left", fontsize="medium")
axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)
axes[2].set_xlabel("Wavelength (nm)")
figure.supylabel("Absorbance", fontsize="medium")
figure.tight_layout()
plt.show()

# %%
# How well, beside other guesses
# ------------------------------
# Which share of the variance of hidden channels is explained in new spectra? A line
# from one visible neighbour to the next is what smoothness alone can do. PLS from the
# visible channels to the hidden ones, fitted anew for each mask, is what can be done
# where bands follow from each other linearly, as they do here.

from sklearn.cross_decomposition import PLSRegression


def line(hidden):
    """Draw a line from one visible channel to the next."""
    return [np.interp(nm[hidden], nm[~hidden], row[~hidden]) for row in test]


def linear(hidden):
    """Predict hidden channels from visible ones by PLS."""
    pls = PLSRegression(n_components=10, scale=False)
    return pls.fit(train[:, ~hidden], train[:, hidden]).predict(test[:, ~hidden])


def network(epochs):
    """Return the guess of a pretrainer."""
    rebuild = models[epochs].reconstruct
    return lambda hidden: rebuild(test, hidden).reconstruction[:, hidden]


guesses = {"line to the next channel": line, "PLS on visible channels": linear}
guesses |= {f"network, {epochs} epochs": network(epochs) for epochs in (10, 150)}
rng = np.random.default_rng(0)
masks = [np.repeat(rng.permutation(14) < 7, 10) for _ in range(8)]
scores = {}
for name, guess in guesses.items():
    left = sum(np.sum((guess(mask) - test[:, mask]) ** 2) for mask in masks)
    total = sum(np.sum((test - train.mean(axis=0))[:, mask] ** 2) for mask in masks)
    scores[name] = 1 - left / total
    print(f"{name}: R² {scores[name]:.3f}")

figure, axes = plt.subplots(1, 2, figsize=(8, 3))
axes[0].plot(np.arange(1, 151), models[150].loss_curve_)
axes[0].set(xlabel="Epoch", ylabel="Loss (mean spectrum: 1)", ylim=(0, None))
axes[1].barh(list(scores), list(scores.values()), color=["0.7", "0.4", "C1", "C1"])
axes[1].axvline(0, color="black", lw=0.8)
axes[1].set(xlabel="R² of hidden channels", xlim=(None, 1))
axes[1].invert_yaxis()
figure.tight_layout()
plt.show()
