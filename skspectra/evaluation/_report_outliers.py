"""Spectra of a report that do not look like the others: held out, they fit badly."""

import numpy as np

from skspectra._novelty import SpectralNoveltyDetector

__all__ = ["describe_outliers"]

# Times as far out as the median spectrum, which outliers do not move: the detector's
# own limit is the worst spectrum where there are few. In 12 of 13 public sets 0 to 1 %
# lay beyond, and 5 % of the spectra of meat.
_FAR = 4.0
_FEWEST = 10  # spectra that principal components and a median are worth it
_MOST_NAMED = 10


def describe_outliers(X, groups, names):
    """Say which spectra principal components of the others rebuild badly.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra, NaN where channels are missing: those are not judged.
    groups : ndarray of shape (n_samples,) or None
        Held out as wholes.
    names : sequence of shape (n_samples,)
        What the rows are called.

    Returns
    -------
    str
        One sentence.
    """
    whole = np.flatnonzero(~np.isnan(X).any(axis=1))
    groups = None if groups is None else groups[whole]
    if len(whole) < _FEWEST or (groups is not None and len(np.unique(groups)) < 2):
        return f"not told: it takes {_FEWEST} spectra without gaps, of two groups"
    detector = SpectralNoveltyDetector().fit(X[whole], groups=groups)
    # Scores are squared distances.
    far = np.sqrt(-detector.held_out_scores_)
    far = far / (np.median(far) or 1.0)
    order = np.argsort(-far, kind="stable")
    order = order[far[order] > _FAR]
    rule = f"more than {_FAR:g} times as far from the others as the median spectrum"
    if not len(order):
        return f"none is {rule}"
    shown = [f"{names[whole[k]]} ({far[k]:.1f})" for k in order[:_MOST_NAMED]]
    more = " and more" if len(order) > _MOST_NAMED else ""
    verb = "is" if len(order) == 1 else "are"
    return f"{len(order)} {verb} {rule}: row {', '.join(shown)}{more}"
