"""The state-space encoder: blocks of damped oscillators, as in D-LinOSS."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skspectra.nn._resonance import resonate

# A memory of a million tokens; less damping could not be told from none in float32.
LEAST_DAMPING = 1e-6
# exp(-exp(6)) is zero, so a limit here changes nothing but an overflow.
MOST_LOG_DAMPING = 6.0
# Angles stay this far from 0 and pi: periods of up to 628 tokens. The recurrence
# loses the square of it in digits, which leaves three of float32's seven.
LEAST_ANGLE = 0.01


class DampedOscillators(nn.Module):
    """Tokens drive a bank of damped oscillators, whose states are mixed again.

    Each oscillator is a linear filter along the tokens that rings at one frequency
    and forgets at one rate; see [1]_ and, with damping, [2]_. Two things differ
    from the published layer. An oscillator is written by its radius r and angle,
    the polar form of its poles, and not by stiffness, friction and step width of a
    scheme: every value of the parameters is then stable, and every radius and angle
    can be reached but for a rim where float32 would lose its digits. And every
    impulse response has unit energy, where published initial ones vary by a factor of
    a thousand.

    With v = W_in u, x the answers of the oscillators to v and d the `skip`::

        y[i] = W_out x[i] + d u[i],
        x[i] = sum_(j <= i) h_forward[i - j] v[j] + sum_(j >= i) h_backward[j - i] v[j]
        h[n] = gain r^n sin((n + 1) angle) / sin(angle)

    Parameters
    ----------
    dim : int
        Width of a token.
    n_oscillators : int, optional
        Number of oscillators of each direction; half of `dim`, and at least one,
        when None. Each filters two channels, the real and the imaginary part of
        the published layer.

    References
    ----------
    .. [1] Rusch and Rus, "Oscillatory state-space models", ICLR 2025,
       arXiv:2410.03943.
    .. [2] Boyer, Rusch and Rus, "Learning to dissipate energy in oscillatory
       state-space models", arXiv:2505.12171.
    """

    def __init__(self, dim: int, n_oscillators: int | None = None) -> None:
        super().__init__()
        n_oscillators = max(1, dim // 2) if n_oscillators is None else n_oscillators
        self.n_oscillators = n_oscillators
        # Matrices of their own and not nn.Linear: their first values belong to the
        # layer, and a general initialisation of linear maps passes them by.
        self.in_weight = nn.Parameter(torch.empty(2 * n_oscillators, dim))
        self.out_weight = nn.Parameter(torch.empty(dim, 2 * n_oscillators))
        self.skip = nn.Parameter(torch.empty(dim))
        # Flat, forward before backward: weight decay, which matrices get, would pull
        # all oscillators to one frequency.
        self.log_damping = nn.Parameter(torch.empty(2 * n_oscillators))
        self.angle_logit = nn.Parameter(torch.empty(2 * n_oscillators))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the first values: frequencies over the whole band, r from .9 to .999."""
        width, height = self.in_weight.shape[1], self.n_oscillators
        nn.init.uniform_(self.in_weight, -(width**-0.5), width**-0.5)
        nn.init.uniform_(self.out_weight, -(height**-0.5), height**-0.5)
        nn.init.normal_(self.skip, std=0.1)
        with torch.no_grad():
            radius_squared = torch.empty_like(self.log_damping).uniform_(0.81, 0.998)
            damping = -0.5 * radius_squared.log()
            self.log_damping.copy_((damping - LEAST_DAMPING).log())
            nn.init.uniform_(self.angle_logit, 0.01, 0.99).logit_()

    def forward(self, tokens: Tensor, kept: Tensor | None = None) -> Tensor:
        """Filter the tokens of each spectrum, from both ends.

        Parameters
        ----------
        tokens : Tensor of shape (batch, n_tokens, dim)
            Any number of tokens, in the order of the axis.
        kept : bool Tensor of shape (batch, n_tokens), optional
            False for tokens that drive nothing. Behind all others they change nothing.

        Returns
        -------
        Tensor of shape (batch, n_tokens, dim)
            The filtered tokens.
        """
        tokens = tokens.transpose(0, 1)  # steps are slabs of memory then
        drive = F.linear(tokens, self.in_weight)
        if kept is not None:
            drive = drive * kept.T[..., None]
        damping, angle = self._damping_and_angle()
        with torch.autocast(drive.device.type, enabled=False):
            # Digits lost in a state stay lost over its memory: never below float32.
            answer = resonate(drive.to(damping.dtype), damping, angle)
        answer = F.linear(answer.to(drive.dtype), self.out_weight)
        return (answer + self.skip * tokens).transpose(0, 1)

    def _damping_and_angle(self):
        """Map the parameters, whatever their values, to oscillators that decay."""
        dtype = torch.promote_types(self.log_damping.dtype, torch.float32)
        log_damping = self.log_damping.to(dtype).clamp(max=MOST_LOG_DAMPING)
        share = self.angle_logit.to(dtype).sigmoid()
        damping = log_damping.exp() + LEAST_DAMPING
        angle = LEAST_ANGLE + (math.pi - 2 * LEAST_ANGLE) * share
        return damping.view(2, -1), angle.view(2, -1)

    @property
    def frequencies(self) -> Tensor:
        """Frequency of each oscillator, in cycles per token.

        Of shape (2, n_oscillators): those that read forward, then those that read
        backward.
        """
        return self._damping_and_angle()[1].detach() / (2 * math.pi)

    @property
    def dampings(self) -> Tensor:
        """Decay of the logarithm of the amplitude per token, like `frequencies`.

        The inverse is the number of tokens over which an oscillation falls to 37 %.
        """
        return self._damping_and_angle()[0].detach()


class StateSpaceBlock(nn.Module):
    """Layer norm, damped oscillators, GELU and a gated linear map, around a skip.

    Parameters
    ----------
    dim : int
        Width of a token.
    n_oscillators : int, optional
        Number of oscillators of each direction; half of `dim` when None.
    """

    def __init__(self, dim: int, n_oscillators: int | None = None) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.oscillators = DampedOscillators(dim, n_oscillators)
        self.gate = nn.Linear(dim, 2 * dim)

    def forward(self, tokens: Tensor, kept: Tensor | None = None) -> Tensor:
        """Mix the tokens of each spectrum.

        Parameters
        ----------
        tokens : Tensor of shape (batch, n_tokens, dim)
            Any number of tokens, in the order of the axis.
        kept : bool Tensor of shape (batch, n_tokens), optional
            False for tokens that drive nothing.

        Returns
        -------
        Tensor of shape (batch, n_tokens, dim)
            The mixed tokens.
        """
        # All but the oscillators sees single tokens, so their memory order is kept.
        tokens = tokens.transpose(0, 1)
        drive = self.norm(tokens).transpose(0, 1)
        mixed = self.oscillators(drive, kept).transpose(0, 1)
        return (tokens + F.glu(self.gate(F.gelu(mixed)))).transpose(0, 1)


class StateSpaceTrunk(nn.Module):
    """A stack of state-space blocks and a last layer norm.

    Parameters
    ----------
    dim : int
        Width of a token.
    depth : int
        Number of blocks.
    n_oscillators : int, optional
        Number of oscillators of each direction of a block; half of `dim` when None.
    """

    def __init__(self, dim: int, depth: int, n_oscillators: int | None = None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            StateSpaceBlock(dim, n_oscillators) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, tokens: Tensor, kept: Tensor | None = None) -> Tensor:
        """Mix the tokens of each spectrum, block after block.

        Parameters
        ----------
        tokens : Tensor of shape (batch, n_tokens, dim)
            Any number of tokens, in the order of the axis. An oscillator counts
            tokens, not places: where some are left out, it rings faster.
        kept : bool Tensor of shape (batch, n_tokens), optional
            False for tokens that change no other; they come last.

        Returns
        -------
        Tensor of shape (batch, n_tokens, dim)
            The mixed tokens.
        """
        # Once, and not in each block: the same tokens, step after step in memory.
        tokens = tokens.transpose(0, 1).contiguous().transpose(0, 1)
        for block in self.blocks:
            tokens = block(tokens, kept)
        return self.norm(tokens)
