"""Patches of spectra: which are missing, and which are to be hidden."""

import numpy as np


def without_gaps(x, patch_size, first_row=0):
    """Return what a network reads of spectra: numbers, and which patches are missing.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_channels)
        Scaled spectra, NaN where a channel is missing.
    patch_size : int
        Width of a patch, in channels.
    first_row : int, default=0
        What the error calls the first row.

    Returns
    -------
    x : ndarray of shape (n_samples, n_channels)
        With zeros in these patches, so that nothing of them can be seen.
    missing : bool ndarray of shape (n_samples, n_tokens)
        True for patches with a channel that is missing. Only where there is one.

    Raises
    ------
    ValueError
        If all patches of a spectrum are missing.
    """
    gaps = np.isnan(x)
    if not gaps.any():
        return (x,)
    missing = _patches_with(gaps, patch_size)
    empty = missing.all(axis=1)
    if empty.any():
        onwards = f" from row {first_row} on" if first_row else ""
        raise ValueError(
            f"X must have at least one patch of {patch_size} channels without a "
            f"missing one in each spectrum. Got none in {empty.sum()} of {len(x)} "
            f"spectra{onwards}, the first in row {first_row + empty.argmax()}. Lower "
            "patch_size, fill in what is missing, or leave these spectra out."
        )
    unseen = channels_of(missing, x.shape[1], patch_size)
    return np.where(unseen, x.dtype.type(0), x), missing


def check_some_can_be_hidden(most_patches):
    """Refuse to train on spectra of which nothing can be hidden: the loss would be 0.

    Parameters
    ----------
    most_patches : int
        Largest number of patches of a spectrum without a missing channel.

    Raises
    ------
    ValueError
        If it is not two.
    """
    if most_patches < 2:
        raise ValueError(
            "X must have a spectrum with two patches without a missing channel, to "
            "hide one and see the other. Got none. Lower patch_size, or keep random "
            "weights by max_epochs=0."
        )


def check_all_can_be_hidden(missing=None, first_row=0):
    """Refuse to score spectra of which nothing can be hidden.

    Parameters
    ----------
    missing : bool ndarray of shape (n_samples, n_tokens), default=None
        True for patches that are not there.
    first_row : int, default=0
        What the error calls the first row.

    Raises
    ------
    ValueError
        If one of them has less than two.
    """
    few = np.zeros(1, dtype=bool) if missing is None else (~missing).sum(axis=1) < 2
    if few.any():
        raise ValueError(
            "X must have two patches without a missing channel in each spectrum, to "
            f"hide one and see the other. Got one in {few.sum()} of {len(few)} "
            f"spectra, the first in row {first_row + few.argmax()}."
        )


def draw_hidden(missing, mask_ratio, random_state):
    """Choose patches to hide, of those that are there, and never the last of them.

    Parameters
    ----------
    missing : bool ndarray of shape (n_samples, n_tokens)
        True for patches that are not there.
    mask_ratio : float
        Part of the others to hide: rounded, and at least one of two.
    random_state : RandomState
        Draws.

    Returns
    -------
    bool ndarray of shape (n_samples, n_tokens)
        True for the chosen ones.
    """
    n_there = (~missing).sum(axis=1, keepdims=True)
    order = np.where(missing, 1.0, random_state.random_sample(missing.shape))
    rank = order.argsort(axis=1).argsort(axis=1)
    return rank < np.clip(np.round(mask_ratio * n_there), 1, n_there - 1)


def patches_of(hidden, missing, n_channels, patch_size):
    """Return which patches are missing or hold a channel that is to be hidden.

    Parameters
    ----------
    hidden : bool array-like of shape (n_channels,) or (n_samples, n_channels)
        What the user gave.
    missing : bool ndarray of shape (n_samples, n_tokens)
        True for patches that are not there.
    n_channels, patch_size : int
        Length of the spectra and of a patch.

    Returns
    -------
    bool ndarray of shape (n_samples, n_tokens)
        True for these.

    Raises
    ------
    ValueError
        If `hidden` is of another shape, or nothing of a spectrum is left to see.
    """
    shape = len(missing), n_channels
    hidden = np.asarray(hidden)
    if hidden.dtype != bool or hidden.shape not in (shape, shape[1:]):
        raise ValueError(
            f"hidden must be boolean and of shape {shape[1:]} or {shape}. Got "
            f"{hidden.dtype} of shape {hidden.shape} instead."
        )
    mask = _patches_with(np.broadcast_to(hidden, shape), patch_size) | missing
    if mask.all(axis=1).any():
        row = int(np.argmax(mask.all(axis=1)))
        raise ValueError(
            "hidden must leave at least one patch of each spectrum visible. Got a "
            f"hidden or missing channel in each of the {mask.shape[1]} patches of "
            f"row {row}."
        )
    return mask


def channels_of(mask, n_channels, patch_size):
    """Return which channels lie in the patches of a mask.

    Parameters
    ----------
    mask : bool ndarray of shape (n_samples, n_tokens)
        True for these patches.
    n_channels, patch_size : int
        Length of the spectra and of a patch.

    Returns
    -------
    bool ndarray of shape (n_samples, n_channels)
        True for their channels.
    """
    return np.repeat(mask, patch_size, axis=1)[:, :n_channels]


def _patches_with(channels, patch_size):
    """Return which patches hold one of the channels, (n_samples, n_channels) bool."""
    starts = np.arange(0, channels.shape[1], patch_size)
    return np.logical_or.reduceat(channels, starts, axis=1)
