"""What a fitted model was made of and with: data, versions, seed, device."""

import hashlib

import numpy as np
import torch
from sklearn.utils import Bunch

from skspectra._inference import resolve_device
from skspectra._versions import installed

__all__ = [
    "fingerprint",
    "hash_rows",
    "head_of_fingerprint",
    "identity",
    "provenance",
    "versions",
    "were_among",
]

_PACKAGES = ("skspectra", "numpy", "scipy", "scikit-learn", "torch", "skorch")
_BLOCK = 64  # rows that are hashed at once: they stay in the processor's cache
_FEWEST_CHANNELS = 4  # with fewer, many spectra are of one shape
_STEPS = 1000  # of a spectrum's own spread; finer differences make no other spectrum
_GAP = -(2**31)  # stands for a channel that is missing


def provenance(
    seed: int, device: str, *, shape, sha256: str, rows: np.ndarray
) -> Bunch:
    """Return what a fitted model has to say of its origin.

    Parameters
    ----------
    seed : int
        What everything random in it followed from: `random_state` repeats it.
    device : str
        As in the estimators.
    shape, sha256, rows
        Of all spectra that `fit` got, as `identity` gives them.

    Returns
    -------
    Bunch
        `versions`, of packages by name; `seed`; `device`, where it was computed;
        `n_threads`, of torch; `data`, with the `shape` of X and its `sha256`; `rows`,
        uint64 ndarray of shape (n_samples,), a hash of each spectrum.
    """
    return Bunch(
        versions=versions(),
        seed=int(seed),
        device=str(resolve_device(device)),
        n_threads=torch.get_num_threads(),
        data={"shape": list(shape), "sha256": sha256},
        rows=rows,
    )


def identity(X: np.ndarray) -> dict:
    """Return what tells a table from others: shape, fingerprint and hashes of rows."""
    return {"shape": X.shape, "sha256": fingerprint(X), "rows": hash_rows(X)}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide the digits."""
    return installed(*_PACKAGES)


def fingerprint(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of arrays: shapes, dtypes and values, in hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(head_of_fingerprint(array.dtype, array.shape))
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def head_of_fingerprint(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """Return what a fingerprint takes in of an array before its values."""
    return f"{np.dtype(dtype).str}{tuple(shape)}".encode()


def hash_rows(X: np.ndarray) -> np.ndarray:
    """Return a hash of the shape of each spectrum.

    Offset and scale are taken out before, and the rounding of float64: a spectrum has
    the same hash before and after :class:`skspectra.InstanceNormalizer`, and flat ones
    are all alike. In float32 most have it too; written with six digits, only a part.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra, NaN where a channel is missing.

    Returns
    -------
    uint64 ndarray of shape (n_samples,)
        One number a row. Spectra of one shape with other gaps have others.
    """
    hashes = np.empty(len(X), dtype=np.uint64)
    for start in range(0, len(X), _BLOCK):
        rows = np.array(X[start : start + _BLOCK], dtype=np.float64)
        there = ~np.isnan(rows)
        whole = there.all()
        if not whole:
            rows[~there] = 0.0
        largest = np.maximum(rows.max(axis=1), -rows.min(axis=1))[:, None]
        rows /= np.where(largest > 0, largest, 1.0)
        along = {"axis": 1, "keepdims": True, "where": True if whole else there}
        rows -= rows.mean(**along)
        spread = rows.std(**along)
        flat = spread <= 1e-12
        rows /= np.where(flat, 1.0, spread)
        rows[flat[:, 0]] = 0.0
        shapes = np.rint(np.multiply(rows, _STEPS, out=rows), out=rows).astype("<i4")
        if not whole:
            shapes[~there] = _GAP
        for number, shape in enumerate(shapes, start):
            digest = hashlib.blake2b(shape.tobytes(), digest_size=8).digest()
            hashes[number] = int.from_bytes(digest, "little")
    return hashes


def were_among(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return which spectra are among those with the given hashes.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_channels)
        Spectra, perhaps with NaN.
    rows : uint64 ndarray
        Of `hash_rows`.

    Returns
    -------
    bool ndarray of shape (n_samples,)
        False where nothing can be told: for spectra that are flat or infinite, and for
        all with less than four channels, of which few are of different shape.
    """
    there = np.where(np.isinf(X).any(axis=1, keepdims=True), np.nan, X)
    known = (~np.isnan(there)).sum(axis=1) >= _FEWEST_CHANNELS
    known[known] = np.nanmax(there[known], axis=1) > np.nanmin(there[known], axis=1)
    among = np.zeros(len(X), dtype=bool)
    hashes, gaps = hash_rows(X[known]), np.isnan(X[known])
    flat = hash_rows(np.where(gaps if gaps.any() else gaps[:1], np.nan, 0.0))
    among[known] = np.isin(hashes, rows) & (hashes != flat)
    return among
