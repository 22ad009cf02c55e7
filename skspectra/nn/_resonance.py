"""What a bank of damped oscillators makes of a sequence, by three ways of computing it.

An oscillator that loses `damping` of the logarithm of its amplitude and turns by
`angle` in each step answers a unit impulse with

    h[n] = gain exp(-n damping) sin((n + 1) angle) / sin(angle),    n = 0, 1, ...

and `gain` makes the sum of the squares of the infinite response 1. The sequence is
read from both ends, each with oscillators of its own, and the two answers are added;
a step belongs to both directions, so that a reversed sequence with swapped directions
gives the reversed answer.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def resonate(drive: Tensor, damping: Tensor, angle: Tensor) -> Tensor:
    """Drive oscillators from both ends of a sequence and add their answers.

    Parameters
    ----------
    drive : Tensor of shape (n_tokens, batch, n_copies * n_oscillators)
        What drives each oscillator, step by step.
    damping, angle : Tensor of shape (2, n_oscillators)
        Of each oscillator; first those that read forward, then those that read
        backward. `damping` is positive, `angle` lies between 0 and pi.

    Returns
    -------
    Tensor of the shape of `drive`
        The answers.
    """
    forms = {"recurrence": by_recurrence, "fft": by_fft, "matrix": by_matrix}
    form = fastest_form(*drive.shape, drive.device.type)
    return forms[form](drive, damping, angle)


def fastest_form(n_tokens: int, batch: int, n_channels: int, device_type: str) -> str:
    """Choose how to compute.

    Parameters
    ----------
    n_tokens, batch, n_channels : int
        Shape of what drives the oscillators.
    device_type : str
        "cpu", or the type of another torch device.

    Returns
    -------
    {"recurrence", "fft", "matrix"}
        The form.
    """
    # Time forward and backward in float32 on one core, divided by the recurrence's.
    #
    # batch, channels   tokens  FFT  matrix      tokens  FFT  matrix
    #   1      64         38    .42    .57         512   .11   3.7
    #  64      16         38   1.2     .43         100  1.0     .43
    #  16      64         38    .76    .60         128  1.1    1.1
    #  32      64         38   1.9     .75         128  1.8    1.3
    # 128      64         38   4.8    1.3          128  4.5    2.4
    #  64     256         38   6.7    2.1          128  4.8    3.3
    #
    # The recurrence does the least arithmetic, in a dozen calls a step, which few
    # numbers do not repay. Elsewhere each of these calls is a launch, longer than its
    # work up to millions of numbers. What remains was not timed there: a matrix moves
    # less memory than two transforms, as long as it is small.
    short = n_tokens <= 64
    if device_type != "cpu":
        return "matrix" if short else "fft"
    if short and batch >= 16 and batch * n_channels <= 2048:
        return "matrix"
    return "fft" if batch * n_channels <= 1024 else "recurrence"


def gains(damping: Tensor, angle: Tensor) -> Tensor:
    """Return the gain that gives each infinite impulse response unit energy.

    Parameters
    ----------
    damping, angle : Tensor of shape (2, n_oscillators)
        Of each oscillator.

    Returns
    -------
    Tensor of shape (2, n_oscillators)
        The gains.
    """
    delta = torch.exp(-2 * damping)
    # 1 - delta, without the digits that the subtraction would lose.
    loss = -torch.expm1(-2 * damping)
    return (loss * (loss**2 + 4 * delta * angle.sin() ** 2) / (1 + delta)).sqrt()


def impulse_responses(damping: Tensor, angle: Tensor, n_tokens: int) -> Tensor:
    """Return how each oscillator answers a unit impulse.

    Parameters
    ----------
    damping, angle : Tensor of shape (2, n_oscillators)
        Of each oscillator.
    n_tokens : int
        Number of steps, the impulse being at the first.

    Returns
    -------
    Tensor of shape (n_tokens, 2, n_oscillators)
        The answers.
    """
    # Few numbers, and thousands of turns: in float64, where there is float64, so that a
    # late answer is as exact as an early one.
    exact = torch.float64 if angle.device.type != "mps" else torch.float32
    dtype, damping, angle = angle.dtype, damping.to(exact), angle.to(exact)
    step = torch.arange(n_tokens, dtype=exact, device=angle.device)[:, None, None]
    turned = torch.sin((step + 1) * angle) / angle.sin()
    return (gains(damping, angle) * torch.exp(-step * damping) * turned).to(dtype)


def by_fft(drive: Tensor, damping: Tensor, angle: Tensor) -> Tensor:
    """Compute what `resonate` does as a product of Fourier transforms."""
    n_tokens, n_oscillators = len(drive), angle.shape[1]
    kernel = torch.fft.rfft(_two_way_kernel(damping, angle, n_tokens))
    # The transformed axis goes last, where transforms are fastest.
    drive = drive.movedim(0, -1).unflatten(1, (-1, n_oscillators)).contiguous()
    answer = torch.fft.irfft(torch.fft.rfft(drive, 2 * n_tokens) * kernel, 2 * n_tokens)
    return answer[..., :n_tokens].flatten(1, 2).movedim(-1, 0)


def by_matrix(drive: Tensor, damping: Tensor, angle: Tensor) -> Tensor:
    """Compute what `resonate` does as a product with one matrix an oscillator."""
    n_tokens, batch, _ = drive.shape
    n_oscillators = angle.shape[1]
    kernel = _two_way_kernel(damping, angle, n_tokens)  # (n_oscillators, 2 n_tokens)
    step = torch.arange(n_tokens, device=drive.device)
    lag = (step[:, None] - step) % (2 * n_tokens)
    drive = drive.unflatten(2, (-1, n_oscillators)).permute(3, 0, 1, 2).flatten(2)
    answer = torch.bmm(kernel[:, lag], drive)  # (n_oscillators, n_tokens, ...)
    answer = answer.unflatten(2, (batch, -1)).permute(1, 2, 3, 0)
    return answer.flatten(2)


def _two_way_kernel(damping, angle, n_tokens):
    """Return the kernel of a circular convolution of twice the length.

    Lags 0, 1, ... stand first and -1, -2, ... last: (n_oscillators, 2 n_tokens).
    """
    ahead, back = impulse_responses(damping, angle, n_tokens).movedim(0, -1)
    nothing = torch.zeros_like(ahead[:, :1])
    now = ahead[:, :1] + back[:, :1]
    return torch.cat((now, ahead[:, 1:], nothing, back[:, 1:].flip(1)), dim=1)


def by_recurrence(drive: Tensor, damping: Tensor, angle: Tensor) -> Tensor:
    """Compute what `resonate` does step by step, the whole batch at once.

    In float32 rounding adds up over the memory of an oscillator, and slow turns amplify
    it: of the largest answer 1e-5 is lost over 128 tokens, 1e-4 over 2048, and up to
    2e-3 where an oscillator hardly forgets.
    """
    tau = 2 * torch.exp(-damping) * angle.cos()
    delta = torch.exp(-2 * damping)
    # Oscillator k drives the channels k, k + n_oscillators, ...
    copies = (1, drive.shape[2] // angle.shape[1])
    coefficients = [c.repeat(copies) for c in (tau, delta, gains(damping, angle))]
    return TwoWayRecurrence.apply(drive.contiguous(), *coefficients)


class TwoWayRecurrence(torch.autograd.Function):
    """x[n] = v[n] + tau x[n - 1] - delta x[n - 2] from both ends, gain-weighted sum.

    The states are kept once, and the backward pass is the same recurrence from the
    other end: half the time and half the memory of single steps under autograd, which
    keeps a node and a tensor for each operation.
    """

    @staticmethod
    def forward(ctx, drive: Tensor, tau: Tensor, delta: Tensor, gain: Tensor) -> Tensor:
        """Compute the answers.

        Parameters
        ----------
        ctx : context
            Of autograd.
        drive : Tensor of shape (n_tokens, batch, n_channels)
            The v above.
        tau, delta, gain : Tensor of shape (2, n_channels)
            Coefficients of the forward and of the backward direction.

        Returns
        -------
        Tensor of shape (n_tokens, batch, n_channels)
            The sum of both directions.
        """
        states = drive.new_empty(2, *drive.shape)
        answer = torch.zeros_like(drive)
        for direction in range(2):
            steps = _steps(direction, drive, states[direction], answer)
            before = last = torch.zeros_like(drive[0])
            for drive_n, state, answer_n in steps:
                torch.addcmul(drive_n, last, tau[direction], out=state)
                state.addcmul_(before, delta[direction], value=-1)
                answer_n.addcmul_(state, gain[direction])
                before, last = last, state
        ctx.save_for_backward(states, tau, delta, gain)
        return answer

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Run the recurrence from the other end, over the gradients.

        Parameters
        ----------
        ctx : context
            Of autograd.
        grad : Tensor of shape (n_tokens, batch, n_channels)
            Gradient of the answers.

        Returns
        -------
        tuple of Tensor or None
            Gradients of the four arguments of `forward`.
        """
        states, tau, delta, gain = ctx.saved_tensors
        grad = grad.contiguous()
        grad_drive = torch.zeros_like(grad)
        sums = grad.new_zeros(2, 3, *grad.shape[1:])
        with_coefficients = any(ctx.needs_input_grad[1:])
        for direction in range(2):
            # The adjoint state of a step: how the loss depends on its state / gain.
            ring = [torch.zeros_like(grad[0]) for _ in range(3)]
            steps = _steps(1 - direction, grad, states[direction], grad_drive)
            by_tau, by_delta, by_gain = sums[direction]
            for n, (grad_n, state, grad_drive_n) in enumerate(steps):
                adjoint, last, before = (ring[(n - k) % 3] for k in range(3))
                if with_coefficients:
                    # `state` stands one step before that of `last` in the recurrence.
                    by_tau.addcmul_(last, state)
                    by_delta.addcmul_(before, state)
                    by_gain.addcmul_(grad_n, state)
                torch.addcmul(grad_n, last, tau[direction], out=adjoint)
                adjoint.addcmul_(before, delta[direction], value=-1)
                grad_drive_n.addcmul_(adjoint, gain[direction])
        if not with_coefficients:
            return grad_drive, None, None, None
        by_tau, by_delta, by_gain = sums.sum(dim=2).unbind(1)
        return grad_drive, gain * by_tau, -gain * by_delta, by_gain


def _steps(direction, *sequences):
    """Go through sequences step by step, from the first (0) or the last (1)."""
    order = slice(None, None, -1 if direction else 1)
    return zip(*(sequence.unbind(0)[order] for sequence in sequences), strict=True)
