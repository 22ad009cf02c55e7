"""A convex combination of PLS and Gaussian processes for one target.

Knows arrays only. Members are fitted to the same rows and weighed by what they say of
rows that were held out.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from skspectra._gaussian_process import Process, compare, fit_process, matern
from skspectra._scaling import rounding

__all__ = ["MEMBERS", "Combination", "combine_processes", "convex_weights"]

_TREATED = ("none", "snv", "sg1", "sg2", "snv+sg1", "snv+sg2")
_AUTO = ("autoscaled snv", "autoscaled snv+sg1")
_SCORES = ("scores none", "scores snv+sg1")
_SMOOTH = (
    "autoscaled first derivative, 2 %",
    "autoscaled second derivative, 3 %",
    "autoscaled first derivative, 5 %",
    "autoscaled second derivative, 7.5 %",
)


def _linear(*views):
    return [(view, "linear") for view in views]


def _matern(*views):
    return [(view, "matern") for view in views]


# name -> (share in the prior weights, parts of the kernel). Found by leaving members
# out and putting others in, over 40 public sets; docs/guide/accuracy.rst has the table.
MEMBERS = {
    "PLS": (1.0, None),
    "all views": (
        1.0,
        _linear(*_TREATED, *_AUTO) + _matern("snv", "snv+sg1", *_SCORES, *_AUTO),
    ),
    **{view: (1 / 3, _matern(view)) for view in ("snv", "snv+sg1", *_AUTO)},
    **{view: (1 / 3, _linear(view) + _matern(view)) for view in _SMOOTH},
    "encoder": (1.0, _linear("encoder") + _matern("encoder")),
}


class Scale(NamedTuple):
    """Centre and root mean square distance to it, over the labelled rows."""

    centre: np.ndarray
    unit: float


class Curve(NamedTuple):
    """One Matérn term of the combination."""

    view: str
    length: float
    dual: np.ndarray  # (n_labelled,)


class Combination(NamedTuple):
    """The weighted sum of fitted processes, its linear terms added up by view."""

    scales: dict[str, Scale]
    train: dict[str, np.ndarray]  # scaled spectra of the views that curves need
    constant: float
    coef: dict[str, np.ndarray]
    curves: list[Curve]

    def predict(self, views):
        """Return the sum for spectra, given their views."""
        scaled = {
            name: (views[name] - scale.centre) / scale.unit
            for name, scale in self.scales.items()
        }
        total = np.full(len(next(iter(views.values()))), self.constant)
        for name, coef in self.coef.items():
            total += scaled[name] @ coef
        for name in self.train:
            distances = compare(scaled[name], self.train[name]).distances
            for curve in self.curves:
                if curve.view == name:
                    total += matern(distances, curve.length) @ curve.dual
        return total


def convex_weights(predicted, y, prior, shrinkage):
    """Return weights that sum to 1, from predictions of held-out rows.

    They minimise the mean squared error in units of the best member's, plus
    `shrinkage` times their squared distance to the prior weights.

    Parameters
    ----------
    predicted : ndarray of shape (n_rows, n_members)
        Of held-out rows.
    y : ndarray of shape (n_rows,)
        What should have been predicted.
    prior : ndarray of shape (n_members,)
        Weights to stay close to; they sum to 1.
    shrinkage : float
        How close.

    Returns
    -------
    ndarray of shape (n_members,)
        Not negative.
    """
    errors = predicted - y[:, None]
    best = np.sqrt((errors**2).mean(axis=0).min())
    if best == 0:
        return prior
    n_members, pull, tie = len(prior), np.sqrt(shrinkage), 1e3
    rows = [
        errors / best / np.sqrt(len(y)),
        pull * np.eye(n_members),
        np.full((1, n_members), tie),
    ]
    wanted = np.r_[np.zeros(len(y)), pull * prior, tie]
    weights, _ = nnls(np.vstack(rows), wanted)
    return weights / weights.sum()


def fit_processes(views, y, members, folds, rng):
    """Fit the members' processes to the labelled rows.

    Parameters
    ----------
    views : dict of ndarray (n_rows, n_features)
        Of the labelled rows.
    y : ndarray of shape (n_rows,)
        Targets of mean 0 and spread 1.
    members : dict
        As `MEMBERS`, without PLS.
    folds : list of ndarray
        Row numbers of each fold.
    rng : RandomState
        For many rows.

    Returns
    -------
    scaled : dict of ndarray
        The views of unit scale.
    scales : dict of Scale
        How they were scaled.
    processes : dict of Process
        By member.
    """
    needed = {view for _, parts in members.values() for view, _ in parts}
    scales = {name: _scale(views[name]) for name in views if name in needed}
    scaled = {name: (views[name] - s.centre) / s.unit for name, s in scales.items()}
    compared = {name: compare(train, train) for name, train in scaled.items()}
    processes = {
        name: fit_process(parts, compared, y, folds, rng)
        for name, (_, parts) in members.items()
    }
    return scaled, scales, processes


def _scale(spectra):
    centre = spectra.mean(axis=0)
    unit = float(np.sqrt(((spectra - centre) ** 2).sum(axis=1).mean()))
    far = np.sqrt(spectra.shape[1]) * rounding(centre) if spectra.size else 0.0
    return Scale(centre, unit if unit > far else 1.0)


def combine_processes(scaled, scales, processes: dict[str, Process], weights):
    """Add up weighted processes: one vector for each linear view, curves one by one."""
    constant, coef, curves = 0.0, {}, []
    for name, weight in weights.items():
        if weight == 0:
            continue
        dual = weight * processes[name].dual
        constant += dual.sum()
        for part in processes[name].parts:
            if part.length is None:
                slope = part.variance * (scaled[part.view].T @ dual)
                coef[part.view] = coef.get(part.view, 0.0) + slope
            else:
                curves.append(Curve(part.view, part.length, part.variance * dual))
    train = {curve.view: scaled[curve.view] for curve in curves}
    used = {name: scale for name, scale in scales.items() if name in {*coef, *train}}
    return Combination(used, train, constant, coef, curves)
