"""Captum's attributions of a prediction to the channels: paths and noise averaged.

The plain gradient is :func:`skspectra._inference.input_gradients`.
"""

import numpy as np
from torch import nn

from skspectra._inference import BATCH_SIZE, float64_copy, one_output, to_tensor
from skspectra._seeding import seeded


def integrated_gradients(
    module: nn.Module,
    x: np.ndarray,
    output: int,
    *,
    baseline: np.ndarray,
    n_steps: int,
    log_odds: bool = False,
    device: str = "auto",
) -> tuple[np.ndarray, np.ndarray]:
    """Share the difference of an output to that of a baseline among the channels.

    Parameters
    ----------
    module : nn.Module
        From (batch, n_channels) to (batch, n_outputs), row by row.
    x : ndarray of shape (n_samples, n_channels)
        Scaled spectra.
    output : int
        Which column of what the module returns.
    baseline : ndarray of shape (n_channels,)
        Scaled spectrum where the paths start.
    n_steps : int
        Number of points of the Gauss-Legendre rule on the path.
    log_odds : bool, default=False
        The outputs are logits of classes: take the class against all others.
    device : str, default="auto"
        Where to compute; the CPU stands in for devices without float64.

    Returns
    -------
    shares : ndarray of shape (n_samples, n_channels)
        They sum to the difference, but for the error of the rule. float64.
    error : ndarray of shape (n_samples,)
        That error: the sum minus the difference.
    """
    from captum.attr import IntegratedGradients

    module, where = float64_copy(module, device)
    method = IntegratedGradients(one_output(module, output, log_odds))
    start = to_tensor(baseline[None], where)
    shares, errors = [], []
    # One spectrum at a time: its points on the path are a batch already.
    for row in range(len(x)):
        share, error = method.attribute(
            to_tensor(x[row : row + 1], where),
            baselines=start,
            n_steps=n_steps,
            internal_batch_size=BATCH_SIZE,
            return_convergence_delta=True,
        )
        shares.append(share.detach().cpu().numpy())
        errors.append(error.detach().cpu().numpy())
    return np.concatenate(shares), np.concatenate(errors)


def smooth_gradients(
    module: nn.Module,
    x: np.ndarray,
    output: int,
    *,
    noise: float,
    n_draws: int,
    seed: int,
    log_odds: bool = False,
    device: str = "auto",
) -> np.ndarray:
    """Average the gradient of an output over noisy copies of each spectrum.

    Parameters
    ----------
    module : nn.Module
        From (batch, n_channels) to (batch, n_outputs), row by row.
    x : ndarray of shape (n_samples, n_channels)
        Scaled spectra.
    output : int
        Which column of what the module returns.
    noise : float
        Standard deviation of the noise, in units of `x`.
    n_draws : int
        Number of copies.
    seed : int
        Decides the noise, which is the same for every spectrum: the result of one
        does not depend on its company.
    log_odds : bool, default=False
        The outputs are logits of classes: take the class against all others.
    device : str, default="auto"
        Where to compute; the CPU stands in for devices without float64.

    Returns
    -------
    ndarray of shape (n_samples, n_channels)
        The mean gradients, float64.
    """
    from captum.attr import NoiseTunnel, Saliency

    module, where = float64_copy(module, device)
    method = NoiseTunnel(Saliency(one_output(module, output, log_odds)))
    gradients = []
    for row in range(len(x)):
        with seeded(seed):  # captum draws from the global generators
            gradient = method.attribute(
                to_tensor(x[row : row + 1], where),
                nt_type="smoothgrad",
                nt_samples=n_draws,
                nt_samples_batch_size=BATCH_SIZE,
                stdevs=float(noise),
                abs=False,
            )
        gradients.append(gradient.detach().cpu().numpy())
    return np.concatenate(gradients)
