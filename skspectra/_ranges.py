"""How far from the expected new groups are: quantiles of held-out rows."""

import numpy as np

__all__ = ["quantile_of_groups", "reach_of_groups"]


def reach_of_groups(
    values: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return values in order, and the part of new groups that lie no higher than each.

    Groups count alike, however many rows they have, and so does the new one, which may
    lie anywhere: the highest value is reached by n / (n + 1), for n groups.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Of held-out rows.
    groups : ndarray of shape (n_rows,)
        What each row belongs to.

    Returns
    -------
    values : ndarray of shape (n_rows,)
        Rising.
    reach : ndarray of shape (n_rows,)
        In (0, 1), rising.
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(values)
    weights = 1.0 / sizes[codes[order]] / (len(sizes) + 1)
    return values[order], np.cumsum(weights)


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
    errors, reach = reach_of_groups(errors, groups)
    reached = np.flatnonzero(reach >= coverage - 1e-12)
    return errors[reached[0]] if len(reached) else np.inf
