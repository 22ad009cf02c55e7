"""All that a pretraining must know of its spectra beforehand, in one pass over them."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from skspectra._corpus import blocks_of
from skspectra._patches import without_gaps
from skspectra._provenance import hash_rows, head_of_fingerprint
from skspectra._scaling import MeanAndSpread
from skspectra.nn import count_tokens

__all__ = ["Survey", "survey"]

# With more spectra their hashes alone would fill memory, and files of the model.
_MOST_HASHES = 2**24


class Survey(NamedTuple):
    """What was seen in a pass over spectra."""

    mean: np.ndarray  # (n_channels,), NaN where a channel is missing in all
    scale: float  # root mean square deviation from it
    has_gaps: bool  # whether a channel is missing somewhere
    most_patches: int  # of a spectrum, without a missing channel
    identity: dict  # shape, sha256 and rows, as `_provenance.identity` gives them


def survey(
    X: object,
    patch_size: int,
    check: Callable[[np.ndarray, int], None] | None = None,
) -> Survey:
    """Look at spectra once, block by block.

    Parameters
    ----------
    X : ndarray or Corpus of shape (n_samples, n_channels)
        Spectra, NaN where a channel is missing.
    patch_size : int
        Width of a patch, in channels.
    check : callable, default=None
        Takes spectra and the number of the first, and raises if it wants no such ones.

    Returns
    -------
    Survey
        What was seen.

    Raises
    ------
    ValueError
        If a spectrum has no patch without a missing channel, or the values are too
        large or too small for their squares.
    """
    n_samples, n_channels = X.shape
    seen = MeanAndSpread(n_channels)
    sha256 = hashlib.sha256(head_of_fingerprint(np.float64, X.shape))
    n_hashed = n_samples if n_samples <= _MOST_HASHES else 0
    rows = np.empty(n_hashed, dtype=np.uint64)
    has_gaps, most_patches = False, 0
    for where in blocks_of(X).slices():
        piece = np.ascontiguousarray(X[where], dtype=np.float64)
        if check is not None:
            check(piece, where.start)
        _, *missing = without_gaps(piece, patch_size, where.start)
        has_gaps = has_gaps or bool(missing)
        n_patches = count_tokens(n_channels, patch_size)
        if missing:
            n_patches -= missing[0].sum(axis=1).min()
        most_patches = max(most_patches, int(n_patches))
        seen.add(piece)
        sha256.update(piece.data)
        if n_hashed:
            rows[where] = hash_rows(piece)
    identity = {"shape": X.shape, "sha256": sha256.hexdigest(), "rows": rows}
    return Survey(*seen.result(), has_gaps, most_patches, identity)
