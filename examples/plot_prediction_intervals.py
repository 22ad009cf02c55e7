"""
How sure is a prediction?
=========================

A laboratory that replaces a reference method wants a range, and wants it to hold as
often as it says. The stack has predicted each of its training rows without knowing its
reference value; the errors of these predictions give a range for new ones. Packages for
conformal prediction work with it as with any scikit-learn estimator.
"""

# %%
# Fat in meat
# -----------
# A part of the pieces of meat trains, a part is left for calibrating ranges, and the
# rest tells how often the truth lies inside.

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from skspectra import SpectralStackingRegressor
from skspectra.datasets import load_tecator
from skspectra.evaluation import pls_baseline

meat = load_tecator()
X, y, groups = meat.data, meat.target, meat.groups
half = GroupShuffleSplit(train_size=0.5, random_state=0)
train, rest = next(half.split(X, y, groups))
part, test = next(half.split(X[rest], y[rest], groups[rest]))
calibration, test = rest[part], rest[test]

# %%
# Its own range
# -------------

model = SpectralStackingRegressor(random_state=0)
model.fit(X[train], y[train], groups=groups[train])
lower, upper = model.predict_interval(X[test], coverage=0.9)


def say(name, lower, upper):
    """Print how wide ranges are and how often they hold."""
    inside = np.mean((lower <= y[test]) & (y[test] <= upper))
    print(f"{name}: {inside:.0%} inside, {np.mean(upper - lower):.2f} % of fat wide")


say("stack, held-out errors", lower, upper)

# %%
# Calibrated with crepes
# ----------------------
# Rows that trained nothing give a guarantee that needs no trust in the model: on
# average over such divisions the ranges hold as often as they say. It costs these rows.
# PLS gets ranges in the same way, and they are wider.

from crepes import WrapRegressor

for name, estimator in {"stack": model, "PLS": pls_baseline()}.items():
    wrapped = WrapRegressor(estimator)
    if name == "PLS":
        wrapped.fit(X[train], y[train])
    wrapped.calibrate(X[calibration], y[calibration])
    low, high = wrapped.predict_int(X[test], confidence=0.9).T
    say(f"{name}, crepes", low, high)

# %%
# New pieces of meat
# ------------------
# One bar a spectrum, by the laboratory's value.

import matplotlib.pyplot as plt

order = np.argsort(y[test])
centre, half_width = (lower + upper) / 2, (upper - lower) / 2
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.errorbar(
    y[test][order], centre[order], half_width[order], fmt="o", ms=3, lw=0.8, color="C0"
)
ax.axline((20, 20), slope=1, color="black", lw=0.8, ls="--")
ax.set(xlabel="Fat by the laboratory (%)", ylabel="Predicted, with 90 % range (%)")
plt.show()
