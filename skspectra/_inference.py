"""Where and how precisely the modules compute, and their forward pass in batches."""

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

# Rows of one forward pass: enough to keep two cores busy, small enough for the
# memory to stay flat however many spectra are asked for.
BATCH_SIZE = 64

# A score divides the tokens into two halves this often, and hides each half once.
N_SCORING_DIVISIONS = 4


def resolve_device(device: str) -> torch.device:
    """Return the device that `device` names, or say that it is not there.

    Parameters
    ----------
    device : str
        "auto" (a CUDA GPU if there is one, else the CPU) or a torch device.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ValueError
        If torch knows no such device, or this machine has none.
    """
    available = ["cpu"]
    available += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    available += ["mps"] if torch.backends.mps.is_available() else []
    if device == "auto":
        return torch.device("cuda:0" if "cuda:0" in available else "cpu")
    wanted = "cuda:0" if device == "cuda" else device
    if wanted not in available:
        raise ValueError(
            f"device={device!r} was requested, but only {', '.join(available)} is "
            "available. Use device='auto' to take the best of them."
        )
    return torch.device(wanted)


def resolve_precision(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the dtype for autocast in training, or None for plain float32.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 where the device has matrix units for it.
    device : torch.device
        Where the training runs.

    Returns
    -------
    torch.dtype or None
        torch.bfloat16 or None.
    """
    if precision == "auto":
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            # Without such units bfloat16 is emulated on a CPU, and slower.
            capabilities = getattr(torch.cpu, "get_capabilities", dict)()
            fast = device.type == "cpu" and capabilities.get("amx_bf16", False)
        precision = "bfloat16" if fast else "float32"
    return torch.bfloat16 if precision == "bfloat16" else None


def forward_in_batches(
    method: Callable[..., Tensor], *arrays: np.ndarray, device: str = "auto"
) -> np.ndarray:
    """Run a module's method over the rows of `arrays`, in float64.

    A float32 product depends, in its last digits, on how many rows go through
    it together, so a spectrum's prediction would depend on its company. In
    float64 what is left of that lies below 1e-12.

    Parameters
    ----------
    method : bound method of an nn.Module
        Takes one tensor for each array and returns one tensor, row by row. The
        module is left as it is.
    *arrays : ndarray of shape (n_samples, ...)
        Rows; those of floats become float64.
    device : str, default="auto"
        Where to compute; the CPU stands in for devices without float64.

    Returns
    -------
    ndarray of shape (n_samples, ...)
        The outputs, float64.
    """
    module, where = float64_copy(method.__self__, device)
    call = getattr(module, method.__name__)
    outputs = []
    with torch.inference_mode():
        for start in range(0, len(arrays[0]), BATCH_SIZE):
            rows = slice(start, start + BATCH_SIZE)
            batch = tuple(to_tensor(array[rows], where) for array in arrays)
            outputs.append(call(*batch).cpu().numpy())
    return np.concatenate(outputs)


def float64_copy(module: nn.Module, device: str) -> tuple[nn.Module, torch.device]:
    """Copy a module in float64; the original is left alone, so threads may share it.

    Parameters
    ----------
    module : nn.Module
        Of any precision.
    device : str
        Where to compute; the CPU stands in for devices without float64.

    Returns
    -------
    copied : nn.Module
        Its parameters ask for no gradient.
    where : torch.device
        Where it lies.
    """
    where = resolve_device(device)
    where = torch.device("cpu") if where.type == "mps" else where
    tensors = [*module.parameters(), *module.buffers()]
    converted = {
        id(tensor): tensor.detach().to(where, torch.float64) for tensor in tensors
    }
    return copy.deepcopy(module, converted), where


def to_tensor(array: np.ndarray, device: torch.device) -> Tensor:
    """Return rows as a tensor on a device; floats become float64."""
    tensor = torch.from_numpy(array)
    return tensor.to(device, torch.float64 if array.dtype.kind == "f" else tensor.dtype)


def input_gradients(
    module: nn.Module,
    x: np.ndarray,
    output: int,
    y: np.ndarray | None = None,
    *,
    log_odds: bool = False,
    device: str = "auto",
) -> np.ndarray:
    """Differentiate one output of a module, or its squared error, by the input.

    Parameters
    ----------
    module : nn.Module
        From (batch, n_channels) to (batch, n_outputs), row by row.
    x : ndarray of shape (n_samples, n_channels)
        Scaled spectra.
    output : int
        Which column of what the module returns.
    y : ndarray of shape (n_samples,), default=None
        With it the squared error to these values is differentiated.
    log_odds : bool, default=False
        The outputs are logits of classes: take the class against all others.
    device : str, default="auto"
        Where to compute; the CPU stands in for devices without float64.

    Returns
    -------
    ndarray of shape (n_samples, n_channels)
        The gradients, float64.
    """
    module, where = float64_copy(module, device)
    read = one_output(module, output, log_odds)
    gradients = []
    for start in range(0, len(x), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        batch = to_tensor(x[rows], where).requires_grad_()
        value = read(batch)
        if y is not None:
            value = (value - to_tensor(y[rows], where)).square()
        # Rows know nothing of each other: the gradient of the sum is that of each.
        (gradient,) = torch.autograd.grad(value.sum(), batch)
        gradients.append(gradient.cpu().numpy())
    return np.concatenate(gradients)


def one_output(
    module: nn.Module, output: int, log_odds: bool
) -> Callable[[Tensor], Tensor]:
    """Return a function from (batch, n_channels) to one output, (batch,).

    Logits of classes mean something only against each other: a number added to
    all of them changes no probability. With `log_odds` the function returns
    log p / (1 - p) of the class.
    """

    def read(x: Tensor) -> Tensor:
        outputs = module(x)
        if not log_odds:
            return outputs[:, output]
        others = torch.arange(outputs.shape[1], device=outputs.device) != output
        return outputs[:, output] - outputs[:, others].logsumexp(dim=1)

    return read


def rebuild(
    autoencoder: nn.Module, x: np.ndarray, mask: np.ndarray, device: str = "auto"
) -> np.ndarray:
    """Rebuild spectra under masks that may hide a different number in each row.

    Parameters
    ----------
    autoencoder : MaskedAutoencoder
        It needs rows that hide equally many tokens; they are sorted for it.
    x : ndarray of shape (n_samples, n_channels)
        Scaled spectra.
    mask : bool ndarray of shape (n_samples, n_tokens)
        True where a token is hidden.
    device : str, default="auto"
        Where to compute.

    Returns
    -------
    ndarray of shape (n_samples, n_channels)
        The decoder's output, float64; trained on hidden channels only.
    """
    rebuilt = np.empty(x.shape)
    n_hidden = mask.sum(axis=1)
    for count in np.unique(n_hidden):
        rows = n_hidden == count
        rebuilt[rows] = forward_in_batches(
            autoencoder.forward, x[rows], mask[rows], device=device
        )
    return rebuilt


def hidden_errors(
    autoencoder: nn.Module, x: np.ndarray, device: str = "auto"
) -> np.ndarray:
    """Return each spectrum's mean squared error when every channel is hidden once.

    The tokens are divided at random into two halves; one is hidden, then the
    other. The divisions are the same in every call and for every spectrum, so
    an error does not depend on the company of a spectrum, nor on how the
    model was trained to hide.

    Parameters
    ----------
    autoencoder : MaskedAutoencoder
        The model.
    x : ndarray of shape (n_samples, n_channels)
        Scaled spectra.
    device : str, default="auto"
        Where to compute.

    Returns
    -------
    ndarray of shape (n_samples,)
        Mean over the channels and over `N_SCORING_DIVISIONS` divisions, in units
        of the scaled spectra squared.
    """
    encoder = autoencoder.encoder
    rng = np.random.RandomState(0)
    errors = np.zeros(len(x))
    for _ in range(N_SCORING_DIVISIONS):
        half = rng.permutation(encoder.n_tokens) < encoder.n_tokens // 2
        for mask in (half, ~half):
            hidden = np.repeat(mask, encoder.patch_size)[: encoder.n_channels]
            rebuilt = rebuild(autoencoder, x, np.tile(mask, (len(x), 1)), device)
            errors += ((rebuilt - x)[:, hidden] ** 2).sum(axis=1)
    return errors / (N_SCORING_DIVISIONS * encoder.n_channels)
