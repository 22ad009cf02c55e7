"""What it costs to move one signal's intensity along the axis onto another's.

A pointwise error sees that two bands differ, and not by how far they lie apart. The
cost of transport does, and in one dimension it has a closed form: cumulative sums.
"""

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
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
    half = max(1, min(window, prediction.shape[-1]) // 2)
    return _WindowedTransport.apply(prediction, target, counted, half)


class _WindowedTransport(Function):
    """The loss, and its gradient in the same passes over memory.

    As single operations, each with its own derivative, it takes nearly twice as long.
    """

    @staticmethod
    def forward(ctx, prediction, target, counted, half):
        n_channels = prediction.shape[1]
        dtype = torch.promote_types(prediction.dtype, torch.float32)
        # An empty half window before every row separates it from the one above. So
        # the half windows of all rows form a ring, and each is in two windows.
        ones = pad(counted.view(torch.uint8), (half, -n_channels % half))
        kept = ones.to(dtype)
        error = torch.empty_like(kept)
        inside = slice(half, half + n_channels)
        error[:, inside].copy_(prediction).sub_(target.to(dtype))
        # As integers 0 times NaN is 0; torch.where takes four times as long.
        error.view(torch.int64 if dtype == torch.float64 else torch.int32).mul_(ones)
        # Lower precision would round the sums.
        with torch.autocast(error.device.type, enabled=False):
            gradient = _gradient_of_cost(error.view(-1, half)).view_as(error)
            n_in_half = kept.view(-1, half).mv(kept.new_ones(half))
        gradient.mul_(kept)
        n_in_window = n_in_half + n_in_half.roll(-1)
        divisor = 2 * half * n_in_window.sqrt().sum().clamp(min=1)
        ctx.save_for_backward(gradient[:, inside], divisor)
        # The cost is linear in the error between its kinks.
        return gradient.view(-1).dot(error.view(-1)) / divisor

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        gradient, divisor = ctx.saved_tensors
        gradient = gradient * (upstream / divisor)
        return gradient, -gradient if ctx.needs_input_grad[1] else None, None, None


def _gradient_of_cost(error: Tensor) -> Tensor:
    """Return the derivative of the summed cost of all windows by the error.

    Window w consists of the rows w and w + 1 of the error. With :math:`c` the
    cumulative sums of row r, :math:`t` its total and :math:`u = i / half`, all that
    depends on the row alone is its bridge :math:`b_i = c_i - u t`, and the surplus
    that is moved past channel i is :math:`b_i + u (t - t_{next}) / 2` where the row
    is the first of a window and :math:`b_i + (1 - u) (t_{last} - t) / 2` where it is
    the second. The derivative goes back through these, from the signs.
    """
    half = error.shape[1]
    rising = torch.linspace(1 / half, 1, half, dtype=error.dtype, device=error.device)
    falling = 1 - rising
    bridge = error.cumsum(1)
    total = bridge[:, -1].clone()
    drop = (total - total.roll(-1))[:, None]
    bridge.addcmul_(total[:, None], rising, value=-1)
    # From here on everything is in place: memory is what takes the time.
    first = torch.addcmul(bridge, drop, rising, value=0.5).sign_()
    second = bridge.addcmul_(drop.roll(1, 0), falling, value=0.5).sign_()
    by_drop = first.mv(rising).add_(second.mv(falling).roll(-1))
    both = first.add_(second)
    by_total = by_drop - by_drop.roll(1)
    constant = both.mv(falling).add_(by_total, alpha=0.5)
    # Sums from each channel to the end of its row are all, less those up to it.
    return both.sub_(torch.cumsum(both, 1, out=second)).add_(constant[:, None])
