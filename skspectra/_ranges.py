"""How wide a range of predictions is: a quantile of errors of held-out rows."""

import numpy as np

__all__ = ["quantile_of_groups"]


def quantile_of_groups(
    errors: np.ndarray, groups: np.ndarray, coverage: float
) -> float:
    """Return the quantile of errors in which groups count alike, one of them infinite.

    The infinite one stands for the group that is predicted. Where each row is a group
    of its own, this is the quantile of split conformal prediction.

    Parameters
    ----------
    errors : ndarray of shape (n_rows,)
        Absolute errors of held-out rows.
    groups : ndarray of int of shape (n_rows,)
        What each row belongs to: 0, 1, 2, … without a gap.
    coverage : float
        Part of the groups, in (0, 1).

    Returns
    -------
    float
        Infinite if there are too few groups for the coverage.
    """
    sizes = np.bincount(groups)
    order = np.argsort(errors)
    weights = 1.0 / sizes[groups[order]] / (len(sizes) + 1)
    reached = np.flatnonzero(np.cumsum(weights) >= coverage - 1e-12)
    return errors[order[reached[0]]] if len(reached) else np.inf
