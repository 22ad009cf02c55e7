"""
Which bands does it look at?
============================

A calibration that predicts well may still look at the wrong thing. Here the truth is
known: the spectra are simulated mixtures, so it is known where the component that we
calibrate for absorbs, and which linear combination of channels sees it and none of the
others. Do the network and PLS find it?
"""

# %%
# Spectra whose truth is known
# ----------------------------
# Four components; the fraction of the first is asked for. When it rises, the others
# fall: the spectrum changes by its own less the mean of theirs. The *net signal* is
# what is left of that when everything is taken away that exchanging the others, an
# offset or a slope could explain. Where noise is alike in all channels, no other
# weighting of them tells the fraction better. There is some noise here on purpose:
# without any, many sets of weights predict alike, and no map could be held against one.

import numpy as np

from skspectra.datasets import make_nir_mixtures

mixtures = make_nir_mixtures(
    n_samples=400, n_channels=100, noise=0.01, scatter=0.0, random_state=0
)
own, others = mixtures.pure_spectra[0], mixtures.pure_spectra[1:]
line = np.vstack([np.ones(100), np.linspace(-1, 1, 100)])
disturbances = np.vstack([np.diff(others, axis=0), line])
rise = own - others.mean(axis=0)
net_signal = rise - np.linalg.lstsq(disturbances.T, rise)[0] @ disturbances
truth = net_signal / (net_signal @ net_signal)

# %%
# Two calibrations
# ----------------
# The task is linear, and PLS is at home.

from skspectra import MaskedSpectralPretrainer, PLSRegressionCV, SpectralRegressor

train, test = slice(None, 300), slice(300, None)
pretrainer = MaskedSpectralPretrainer(
    patch_size=10, embed_dim=32, depth=2, max_epochs=60, x_axis=mixtures.x_axis
)
network = SpectralRegressor(pretrainer, max_epochs=60, random_state=0)
pls = PLSRegressionCV()
for model in (network, pls):
    model.fit(mixtures.data[train], mixtures.target[train])
    score = model.score(mixtures.data[test], mixtures.target[test])
    print(f"{type(model).__name__}: R² {score:.3f} on new spectra")

# %%
# Their maps
# ----------
# The mean gradient of the network has the unit of a regression coefficient, fraction
# per absorbance, and is drawn beside the coefficients of PLS. Named are the strongest
# bands of the component. A map is no spectrum of it: bands that overlap with others get
# little weight, and negative weights take the others away. The network finds the same
# band as PLS and puts noise around it.

import matplotlib.pyplot as plt
from scipy.signal import find_peaks

from skspectra.inspection import SaliencyDisplay

peaks = mixtures.x_axis[find_peaks(own, prominence=0.1 * own.max())[0]]
bands = {f"{peak:.0f} nm": peak for peak in peaks}
figure, axes = plt.subplots(2, 1, figsize=(6.4, 6), sharex=True, layout="constrained")
of_network = SaliencyDisplay.from_estimator(
    network,
    mixtures.data[test],
    average="signed",
    x_unit=mixtures.x_unit,
    labels=bands,
    ax=axes[0],
)
of_pls = SaliencyDisplay(
    pls.coef_.ravel(),
    spectrum=mixtures.data[test].mean(axis=0),
    x_axis=mixtures.x_axis,
    name="Coefficients of PLS",
    x_unit=mixtures.x_unit,
).plot(axes[1])
for display in (of_network, of_pls):
    display.ax_.plot(mixtures.x_axis, truth, "k:", lw=1.2, label="net signal")
    agreement = np.corrcoef(display.saliency, truth)[0, 1]
    print(f"{display.name}: correlation with the net signal {agreement:.2f}")
axes[0].legend(frameon=False, loc="lower right")
axes[0].set_xlabel("")
plt.show()
