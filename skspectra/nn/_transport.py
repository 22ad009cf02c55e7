"""What it costs to move one signal's intensity along the axis onto another's.

A pointwise error sees that two bands differ, and not by how far they lie apart. The
cost of transport does, and in one dimension it has a closed form: cumulative sums.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad


def wasserstein_1d(prediction: Tensor, target: Tensor) -> Tensor:
    r"""Return the exact cost of turning one signal into another by transport.

    Moving one unit of intensity by one channel costs 1. The cheapest way costs

    .. math:: W_1 = \sum_i \Bigl| \sum_{j \le i} (p_j - t_j) \Bigr| .

    For signals with negative parts this is the Kantorovich-Rubinstein norm of their
    difference: the cost between the positive part of one with the negative part of
    the other and the reverse [1]_.

    Parameters
    ----------
    prediction : Tensor of shape (..., n_channels)
        Signals on channels of equal width, of any sign.
    target : Tensor of shape (..., n_channels)
        Signals of the same sums: what one has more than the other has nowhere to
        go, and would be moved to the last channel for nothing.

    Returns
    -------
    Tensor of shape (...)
        Intensity times channels, float32 at least.

    References
    ----------
    .. [1] Villani, C. (2009). Optimal Transport: Old and New. Springer.
       https://doi.org/10.1007/978-3-540-71050-9
    """
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    surplus = (prediction.to(dtype) - target.to(dtype)).cumsum(-1)
    return surplus[..., :-1].abs().sum(-1)


def windowed_wasserstein(
    prediction: Tensor, target: Tensor, counted: Tensor, window: int = 64
) -> Tensor:
    r"""Return the cost of transport within windows, of the channels that count.

    Over a whole spectrum a slight slope costs more than many shifted bands, because
    it moves intensity from one end to the other. So transport stays within windows
    that overlap by half, and the mean error of each is removed, which leaves offsets
    to the mean squared error. With :math:`e` the error where it counts and 0
    elsewhere, :math:`W` the width and :math:`m_w` the number of counted channels in
    window :math:`w`,

    .. math::

        \Bigl. \sum_w \frac{1}{W} \sum_{i \in w} \Bigl| \sum_{j \in w, j \le i}
        (e_j - \bar{e}_w) \Bigr| \Bigm/ \sum_w \sqrt{m_w} .

    The cumulative sum of independent errors grows like the square root of their
    number, hence the divisor: independent errors of standard deviation
    :math:`\sigma` cost about :math:`\sqrt{\pi / 32}\,\sigma = 0.31\,\sigma`, whatever
    the width and however many channels are hidden. Smooth errors cost more, up to
    about three times that on real spectra. This is linear in the error, where the
    mean squared error is quadratic, so its share rises as the errors become small.

    Parameters
    ----------
    prediction : Tensor of shape (batch, n_channels)
        Signals of any sign.
    target : Tensor of shape (batch, n_channels)
        What they should be; entries that do not count may be NaN.
    counted : bool Tensor of shape (batch, n_channels)
        True where an error counts.
    window : int, default=64
        Width of the windows in channels: shifts are told apart up to about half of
        it. At least 2; odd widths are rounded down and wider ones than the spectrum
        narrowed to it.

    Returns
    -------
    Tensor of shape ()
        In the target's units, float32 at least; 0 if nothing counts.
    """
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    error = torch.where(counted, prediction.to(dtype) - target.to(dtype), 0.0)
    half = max(1, min(window, error.shape[-1]) // 2)
    # A half window of nothing at either end: then every channel is in two windows.
    ends = (half, half + -error.shape[-1] % half)
    surplus = pad(error, ends).unflatten(-1, (-1, half)).cumsum(-1)
    in_half = surplus[..., -1:]
    left, right = in_half[..., :-1, :], in_half[..., 1:, :]
    mean = (left + right) / (2 * half)
    steps = torch.arange(1, half + 1, dtype=dtype, device=error.device)
    expected = mean * steps
    cost = (surplus[..., :-1, :] - expected).abs().sum()
    cost = cost + (surplus[..., 1:, :] + (left - mean * half) - expected).abs().sum()
    n_in_half = pad(counted, ends).unflatten(-1, (-1, half)).sum(-1)
    n_in_window = (n_in_half[..., :-1] + n_in_half[..., 1:]).to(dtype)
    return cost / (2 * half) / n_in_window.sqrt().sum().clamp(min=1)
