"""From an encoder to a prediction."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from skspectra.nn._autoencoder import hidden_channels
from skspectra.nn._encoder import SpectralEncoder
from skspectra.nn._losses import (
    masked_binary_cross_entropy,
    masked_cross_entropy,
    masked_mse,
)

_LOSSES = {
    "mse": masked_mse,
    "cross_entropy": masked_cross_entropy,
    "binary_cross_entropy": masked_binary_cross_entropy,
}


class SpectralPredictor(nn.Module):
    """An encoder and a linear map from its tokens to the targets.

    Parameters
    ----------
    encoder : SpectralEncoder
        Trained together with the linear map.
    n_targets : int
        Number of outputs.
    pooling : {"concatenate", "mean"}
        What the linear map reads: all tokens side by side, or their mean.

    Attributes
    ----------
    architecture : dict
        The arguments that build another one like it; `encoder` is that of the encoder.
    """

    def __init__(self, encoder: SpectralEncoder, n_targets: int, pooling: str) -> None:
        super().__init__()
        self.architecture = {
            "encoder": encoder.architecture,
            "n_targets": n_targets,
            "pooling": pooling,
        }
        self.encoder = encoder
        self.pooling = pooling
        n_read = encoder.n_tokens if pooling == "concatenate" else 1
        # Training starts from the prediction of the mean, whatever the encoder says,
        # so no random weights are drawn.
        self.head = nn.utils.skip_init(
            nn.Linear,
            n_read * encoder.embed_dim,
            n_targets,
            device=encoder.project.weight.device,
        )
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        if pooling == "concatenate":
            # What the linear map reads in place of tokens that are missing.
            shape = encoder.n_tokens, encoder.embed_dim
            self.register_buffer("fillers", self.head.weight.new_zeros(shape))

    def forward(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        """Predict the targets of spectra.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels)
            Spectra.
        missing : bool Tensor of shape (batch, n_tokens), optional
            True for tokens that are not there; not all of a row.

        Returns
        -------
        Tensor of shape (batch, n_targets)
            The predictions.
        """
        return self.head(self.features(x, missing))

    def features(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        """Return what the linear map reads.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels)
            Spectra.
        missing : bool Tensor of shape (batch, n_tokens), optional
            True for tokens that are not there.

        Returns
        -------
        Tensor of shape (batch, n_read)
            All tokens side by side, or their mean.
        """
        if self.pooling == "mean":
            return self.encoder.embed(x, missing)
        if missing is None:
            return self.encoder(x).flatten(1)
        tokens = self.encoder.present(x, missing)
        return torch.where(missing[..., None], self.fillers, tokens).flatten(1)

    def set_fillers(self, fillers: object) -> None:
        """Say what the linear map is to read in place of missing tokens.

        Parameters
        ----------
        fillers : array-like of shape (n_tokens, embed_dim)
            Best the mean of each token over the training spectra.
        """
        self.fillers.copy_(torch.as_tensor(fillers))

    def set_head(self, coef: object, intercept: object) -> None:
        """Give the linear map the weights of a regression fitted elsewhere.

        Parameters
        ----------
        coef : array-like of shape (n_targets, n_read)
            Weights.
        intercept : array-like of shape (n_targets,)
            What is added.
        """
        with torch.no_grad():
            self.head.weight.copy_(torch.as_tensor(coef))
            self.head.bias.copy_(torch.as_tensor(intercept))


class PredictionObjective(nn.Module):
    """The loss of fine-tuning, over the targets that are known.

    Parameters
    ----------
    predictor : SpectralPredictor
        What is trained.
    augmentation : float
        Strength of the disturbance of the spectra while training, see `augment`.
    loss : {"mse", "cross_entropy", "binary_cross_entropy"}, default="mse"
        Squared error of values, `masked_mse`; or the predictor's outputs are
        logarithms of odds: of one class a spectrum, `masked_cross_entropy`, or of
        labels that are each there or not, `masked_binary_cross_entropy`.
    """

    def __init__(
        self, predictor: SpectralPredictor, augmentation: float, loss: str = "mse"
    ) -> None:
        super().__init__()
        self.predictor = predictor
        self.augmentation = augmentation
        self.loss = loss

    @property
    def network(self) -> SpectralPredictor:
        """What is trained."""
        return self.predictor

    def forward(self, x: Tensor, y: Tensor, missing: Tensor | None = None) -> Tensor:
        """Return the mean loss of the known targets.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels)
            Spectra; disturbed in training mode only.
        y : Tensor of shape (batch, n_targets)
            What the loss takes as targets, NaN where unknown.
        missing : bool Tensor of shape (batch, n_tokens), optional
            True for tokens that are not there.

        Returns
        -------
        Tensor of shape ()
            The loss.
        """
        if self.training and self.augmentation:
            gaps = missing
            if missing is not None:
                gaps = hidden_channels(missing, self.predictor.encoder)
            x = augment(x, self.augmentation, gaps)
        return _LOSSES[self.loss](self.predictor(x, missing), y, ~y.isnan())


def augment(x: Tensor, strength: float, missing: Tensor | None = None) -> Tensor:
    """Disturb spectra as instruments and sample presentation do.

    Each spectrum draws a gain, an offset, a slope, a shift of the axis and
    noise. With `strength` 1 and spectra of unit spread, their standard
    deviations are: gain 0.1, offset 0.1, slope 0.1 from the middle to an end,
    shift half a channel, noise 0.01.

    Parameters
    ----------
    x : Tensor of shape (batch, n_channels)
        Spectra.
    strength : float
        Multiplies all five standard deviations.
    missing : bool Tensor of shape (batch, n_channels), optional
        True for channels that are not there: what is beside them is not shifted by
        them, and what becomes of them means nothing.

    Returns
    -------
    Tensor of shape (batch, n_channels)
        The disturbed spectra.
    """
    batch, n_channels = x.shape
    gain, offset, slope, shift = (
        strength * torch.randn(4, batch, 1, device=x.device, dtype=x.dtype)
    ).unbind()
    # A shift below one channel is its first-order term: shift times derivative.
    moved = 0.5 * shift * _derivative(x, missing) if n_channels > 1 else 0.0
    line = torch.linspace(-1.0, 1.0, n_channels, device=x.device, dtype=x.dtype)
    noise = 0.01 * strength * torch.randn_like(x)
    return (1 + 0.1 * gain) * (x + moved) + 0.1 * offset + 0.1 * slope * line + noise


def _derivative(x: Tensor, missing: Tensor | None) -> Tensor:
    """Return the mean of the steps from and to a channel, as far as they are there."""
    if missing is None:
        return torch.gradient(x, dim=1)[0]
    there = ~(missing[:, 1:] | missing[:, :-1])
    steps = torch.where(there, x.diff(dim=1), 0.0)
    n_steps = pad(there, (1, 0)).to(x.dtype) + pad(there, (0, 1))
    return (pad(steps, (1, 0)) + pad(steps, (0, 1))) / n_steps.clamp(min=1)
