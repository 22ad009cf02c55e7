"""Where and how precisely the modules compute, and their forward pass in batches."""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from skspectra._inputs import warn_caller
from skspectra._modules import replace_tensors
from skspectra._patches import channels_of

# Rows of one forward pass: enough to keep two cores busy, small enough for the
# memory to stay flat however many spectra are asked for.
BATCH_SIZE = 64

# On a CPU bfloat16 gains time from about this size of a batch on. Time of a step in
# float32 divided by that in bfloat16, one core, 4 blocks, pretraining and fine-tuning:
#
# width, tokens, batch  16, 7, 32  64, 7, 32  64, 25, 32  64, 25, 128  128, 128, 128
# numbers                    4e3       14e3        51e3        205e3          2.1e6
# transformer            .69  .67   .87  .93  1.04  1.12   1.44  1.41     2.04  2.28
# state space            .85  .78   .92  .85   .95   .90   1.29  1.10     1.54  1.61
_FEWEST_NUMBERS = 2**16

# Tokens of one pass of `embed`. Every pass has the same shape, so a single spectrum
# costs a whole one: enough of them to keep a CPU's cores busy and no more, and on
# other devices enough to hide what it takes to start a pass.
_TOKENS_ON_CPU, _TOKENS_ELSEWHERE = 1024, 32768

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
    # The GPU that torch was told to take, as launchers tell each process its own.
    known = torch.cuda.is_initialized()
    cuda = f"cuda:{torch.cuda.current_device() if known else 0}"
    if device == "auto":
        return torch.device(cuda if cuda in available else "cpu")
    wanted = {"cuda": cuda, "cpu:0": "cpu"}.get(device, device)
    if wanted not in available:
        raise ValueError(
            f"device={device!r} was requested, but only {', '.join(available)} is "
            "available. Use device='auto' to take the best of them."
        )
    return torch.device(wanted)


def check_training_device(device: str) -> None:
    """Say before any work that a device is not there, or that workers will share it.

    Parameters
    ----------
    device : str
        As in the estimators.

    Raises
    ------
    ValueError
        If this machine has no such device.
    """
    where = resolve_device(device)
    if where.type == "cuda" and _in_worker():
        warn_caller(
            f"A worker process trains on {where}. With n_jobs above 1 each worker "
            "takes its own part of the GPU's memory, and they wait for each other. "
            "Set n_jobs=1, or device='cpu'."
        )


def _in_worker() -> bool:
    return multiprocessing.parent_process() is not None


@contextlib.contextmanager
def explaining_memory(n_channels: int, batch_size: int) -> Iterator[None]:
    """Add to a GPU's "out of memory" what of it was asked for, and the remedy.

    Parameters
    ----------
    n_channels : int
        Number of channels of the spectra.
    batch_size : int
        Number of spectra of one step.

    Raises
    ------
    torch.OutOfMemoryError
        With more to read.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise torch.OutOfMemoryError(
            f"{error} This was a training with batch_size={batch_size} spectra of "
            f"{n_channels} channels. Lower batch_size, raise patch_size, take a "
            "smaller encoder, or set device='cpu'."
        ) from error


def resolve_precision(
    precision: str, device: torch.device, n_numbers: int
) -> torch.dtype | None:
    """Return the dtype for autocast in training, or None for plain float32.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        "auto" takes bfloat16 where the device multiplies it faster.
    device : torch.device
        Where the training runs.
    n_numbers : int
        How many numbers the tokens of a batch are made of.

    Returns
    -------
    torch.dtype or None
        torch.bfloat16 or None.
    """
    if precision == "auto":
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            # Without such products a CPU emulates them, and is slower.
            capabilities = getattr(torch.cpu, "get_capabilities", dict)()
            fast = device.type == "cpu" and any(
                capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16")
            )
            fast = fast and n_numbers >= _FEWEST_NUMBERS
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


def embed(
    encoder: nn.Module,
    X: np.ndarray,
    scale: Callable[..., np.ndarray],
    *,
    device: str = "auto",
    precision: str = "auto",
) -> np.ndarray:
    """Embed spectra in passes of one shape.

    The digits of a product depend on its shape: in bfloat16 a spectrum's embedding
    would depend on its company in the third digit. Here every pass has equally many
    rows, zeros filling up the last, which leaves at most rounding of float32. Only
    one pass and the result are held in memory, however many spectra there are.

    Parameters
    ----------
    encoder : SpectralEncoder
        Float32, on the CPU; left as it is.
    X : ndarray of shape (n_samples, n_channels)
        Spectra.
    scale : callable
        Takes rows of X, and as `first_row` where they begin, and returns what
        `encoder.embed` reads: spectra in float32, and which tokens are missing if some
        are.
    device : str, default="auto"
        Where to compute.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        "bfloat16" rounds what enters the products to 8 bits; "auto" is float32.

    Returns
    -------
    ndarray of shape (n_samples, embed_dim)
        The means of the tokens, float32.
    """
    where = resolve_device(device)
    on_cpu = where.type == "cpu"
    n_tokens = _TOKENS_ON_CPU if on_cpu else _TOKENS_ELSEWHERE
    n_rows = max(1, n_tokens // encoder.n_tokens)
    if not on_cpu:
        encoder = _copy(encoder, where, torch.float32)
    # Nothing is fetched from the device before the end, which would wait.
    embeddings = torch.empty(len(X), encoder.embed_dim, device=where)
    low = precision == "bfloat16"
    with torch.inference_mode(), torch.autocast(where.type, torch.bfloat16, low):
        for start in range(0, len(X), n_rows):
            read = scale(X[start : start + n_rows], first_row=start)
            all_have_gaps = len(read) > 1 and read[1].any(axis=1).all()
            filling = (0, 0, 0, n_rows - len(read[0]))
            read = [torch.from_numpy(array).to(where) for array in read]
            read = [nn.functional.pad(tensor, filling) for tensor in read]
            embedded = encoder.embed(*read)
            if len(read) > 1 and not all_have_gaps:  # those without keep their digits
                has_gaps = read[1].any(dim=1, keepdim=True)
                embedded = torch.where(has_gaps, embedded, encoder.embed(read[0]))
            embeddings[start : start + n_rows] = embedded[: len(X) - start]
    return embeddings.cpu().numpy()


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
    return _copy(module, where, torch.float64), where


def _copy(module, device, dtype):
    return replace_tensors(module, lambda _, tensor: tensor.detach().to(device, dtype))


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
    missing: np.ndarray | None = None,
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
    missing : bool ndarray of shape (n_samples, n_tokens), default=None
        True for tokens that are not there.
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
    gaps = () if missing is None else (missing,)
    gradients = []
    for start in range(0, len(x), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        batch = to_tensor(x[rows], where).requires_grad_()
        value = read(batch, *(to_tensor(array[rows], where) for array in gaps))
        if y is not None:
            value = (value - to_tensor(y[rows], where)).square()
        # Rows know nothing of each other: the gradient of the sum is that of each.
        (gradient,) = torch.autograd.grad(value.sum(), batch)
        gradients.append(gradient.cpu().numpy())
    return np.concatenate(gradients)


def one_output(module: nn.Module, output: int, log_odds: bool) -> Callable[..., Tensor]:
    """Return a function from what a module reads to one output, (batch,).

    Logits of classes mean something only against each other: a number added to
    all of them changes no probability. With `log_odds` the function returns
    log p / (1 - p) of the class.
    """

    def read(*x: Tensor) -> Tensor:
        outputs = module(*x)
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
        Scaled spectra, with any number where a channel is missing.
    mask : bool ndarray of shape (n_samples, n_tokens)
        True where a token is hidden, or missing.
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
    autoencoder: nn.Module,
    x: np.ndarray,
    missing: np.ndarray | None = None,
    device: str = "auto",
) -> tuple[np.ndarray, np.ndarray]:
    """Return each spectrum's mean squared error when every channel is hidden once.

    The tokens are divided at random into two halves; one is hidden, then the
    other. The divisions are the same in every call and for every spectrum that lacks
    the same tokens, so an error does not depend on the company of a spectrum, nor on
    how the model was trained to hide.

    Parameters
    ----------
    autoencoder : MaskedAutoencoder
        The model.
    x : ndarray of shape (n_samples, n_channels)
        Scaled spectra, with any number where a channel is missing.
    missing : bool ndarray of shape (n_samples, n_tokens), optional
        True for tokens that are not there. Two of each spectrum must be.
    device : str, default="auto"
        Where to compute.

    Returns
    -------
    errors : ndarray of shape (n_samples,)
        Mean over the channels and over `N_SCORING_DIVISIONS` divisions, in units
        of the scaled spectra squared.
    squares : ndarray of shape (n_samples,)
        What the errors would be if zeros were rebuilt.
    """
    encoder = autoencoder.encoder
    if missing is None:
        missing = np.zeros((len(x), encoder.n_tokens), dtype=bool)

    def of_channels(mask):
        return channels_of(mask, encoder.n_channels, encoder.patch_size)

    rng = np.random.RandomState(0)
    n_there = (~missing).sum(axis=1, keepdims=True)
    errors = np.zeros(len(x))
    for _ in range(N_SCORING_DIVISIONS):
        order = np.where(missing, encoder.n_tokens, rng.permutation(encoder.n_tokens))
        half = order.argsort(axis=1).argsort(axis=1) < n_there // 2
        for hidden in (half, ~half & ~missing):
            rebuilt = rebuild(autoencoder, x, hidden | missing, device)
            errors += ((rebuilt - x) ** 2).sum(axis=1, where=of_channels(hidden))
    counted = of_channels(~missing)
    n_counted = counted.sum(axis=1)
    squares = (x.astype(np.float64) ** 2).sum(axis=1, where=counted) / n_counted
    return errors / (N_SCORING_DIVISIONS * n_counted), squares
