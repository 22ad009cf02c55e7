"""Folds of whole groups."""

import numpy as np
from sklearn.model_selection import PredefinedSplit

__all__ = ["group_folds"]


def group_folds(
    n_splits: int, groups: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (train, test) row indices of folds that keep groups whole.

    The largest group comes first, each into the fold that has the fewest rows: the
    folds of GroupKFold since scikit-learn 1.9. Before, the order of groups of one
    size, and with it every choice made on these folds, was left to the processor.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    fold, n_rows = np.empty(len(sizes), dtype=int), np.zeros(n_splits)
    for largest in np.argsort(sizes, kind="stable")[::-1]:
        fold[largest] = np.argmin(n_rows)
        n_rows[fold[largest]] += sizes[largest]
    return list(PredefinedSplit(fold[group]).split())
