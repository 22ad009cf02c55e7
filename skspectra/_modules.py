"""Torch modules as plain descriptions and numpy weights, and back."""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from skspectra.nn import MaskedAutoencoder, SpectralEncoder, SpectralPredictor

__all__ = [
    "MOST_WORK",
    "check_description",
    "describe",
    "rebuild",
    "replace_tensors",
]

# What a description may say: a number, from the least, or one of some words.
_ENCODER = {
    "n_channels": 1,
    "patch_size": 1,
    "embed_dim": 1,
    "depth": 1,
    "n_heads": 1,
    "positions": {"sine_cosine", "learned"},
    "hidden_tokens": {"drop", "replace"},
    "encoder": {"transformer", "state_space"},
}
_DESCRIPTIONS = {
    "MaskedAutoencoder": {
        "encoder": _ENCODER,
        "decoder_dim": 1,
        "decoder_depth": 0,
        "decoder_n_heads": 1,
        "positions": {"sine_cosine", "learned"},
    },
    "SpectralPredictor": {
        "encoder": _ENCODER,
        "n_targets": 1,
        "pooling": {"concatenate", "mean"},
    },
}
_KINDS = {each.__name__: each for each in (MaskedAutoencoder, SpectralPredictor)}

# What a small file could say to keep a computer busy. Blocks are built before their
# weights can be looked at; in each, every head compares all pairs of tokens, and 2**28
# comparisons take about a second. Large models may take longer, by their weights.
_MOST_CHANNELS, _MOST_BLOCKS, _MOST_TOKENS, MOST_WORK = 2**20, 128, 2**15, 2**28
_WORK_OF_A_WEIGHT = 2**10


def describe(module: nn.Module) -> tuple[dict, dict[str, np.ndarray]]:
    """Take a module of this package apart.

    Parameters
    ----------
    module : MaskedAutoencoder or SpectralPredictor
        On any device; left as it is.

    Returns
    -------
    description : dict
        Which module, and the arguments that build it: numbers and words.
    weights : dict of ndarray
        Its parameters and buffers by name; they share memory with a module on the CPU.

    Raises
    ------
    TypeError
        If the module is of another class.
    """
    kind = type(module).__name__
    if type(module) is not _KINDS.get(kind):
        raise TypeError(f"A module must be one of {', '.join(_KINDS)}. Got a {kind}.")
    weights = {
        name: tensor.detach().cpu().numpy()
        for name, tensor in module.state_dict().items()
    }
    return {"module": kind, **_plain(module.architecture)}, weights


def _plain(architecture):
    """Return a description without numpy's numbers, which grids of parameters hold."""
    return {
        name: _plain(value)
        if isinstance(value, dict)
        else (str(value) if isinstance(value, str) else int(value))
        for name, value in architecture.items()
    }


def rebuild(description: Mapping, weights: Mapping[str, np.ndarray]) -> nn.Module:
    """Put a module together again.

    Parameters
    ----------
    description : dict
        As `describe` gives it.
    weights : dict of ndarray
        Copied.

    Returns
    -------
    nn.Module
        On the CPU, in eval mode. No random number is drawn for it.

    Raises
    ------
    ValueError
        If the weights are not those of such a module; all that differ are listed.
    """
    skeleton = _skeleton(json.dumps(description, sort_keys=True))
    expected = skeleton.state_dict()
    # Early files, of spectra without gaps, have none.
    lacks_fillers = "fillers" in expected and "fillers" not in weights
    if lacks_fillers:
        none = np.zeros(tuple(expected["fillers"].shape), dtype=np.float32)
        weights = {"fillers": none, **weights}
    _check_weights(expected, weights)

    def weight(name, blank):
        tensor = torch.tensor(weights[name])
        return nn.Parameter(tensor) if isinstance(blank, nn.Parameter) else tensor

    module = replace_tensors(skeleton, weight)
    if lacks_fillers:  # those of the mean spectrum are the nearest to mean tokens
        with torch.no_grad():
            mean = torch.zeros(1, module.encoder.n_channels)
            module.set_fillers(module.encoder(mean)[0])
    return module


@lru_cache(maxsize=8)
def _skeleton(description):
    """Build a module without memory: building takes longer than filling it."""
    arguments = json.loads(description)
    kind = _KINDS[arguments.pop("module")]
    with torch.device("meta"):  # shapes alone, and no random numbers
        encoder = SpectralEncoder(**arguments.pop("encoder"))
        return kind(encoder, **arguments).eval()


def replace_tensors(
    module: nn.Module, replace: Callable[[str, Tensor], Tensor], prefix: str = ""
) -> nn.Module:
    """Copy a module with other tensors; deepcopy takes longer than a prediction.

    Parameters
    ----------
    module : nn.Module
        Left as it is.
    replace : callable
        Takes the name of a parameter or buffer and the tensor, and returns the one
        that is to stand in its place.
    prefix : str, default=""
        What the names begin with.

    Returns
    -------
    nn.Module
        The copy.
    """

    def replaced(tensors):
        return {
            name: tensor if tensor is None else replace(prefix + name, tensor)
            for name, tensor in tensors.items()
        }

    twin = module.__new__(type(module))
    own = {k: v.copy() if isinstance(v, dict) else v for k, v in vars(module).items()}
    twin.__dict__ = own | {
        "_parameters": replaced(module._parameters),
        "_buffers": replaced(module._buffers),
        "_modules": {
            name: replace_tensors(part, replace, f"{prefix}{name}.")
            for name, part in module._modules.items()
        },
    }
    return twin


def check_description(description: object, weights: Mapping[str, np.ndarray]) -> int:
    """Refuse a description from an unknown source that is false or asks for too much.

    After this, and as long as the weights are in memory already, `rebuild` takes less
    than a second, and no memory to speak of but that of the weights.

    Parameters
    ----------
    description : object
        What is said to be a description.
    weights : dict of ndarray
        What comes with it.

    Returns
    -------
    int
        How many pairs of patches the heads compare, beyond what such weights may. Of
        all the modules in a file at most `MOST_WORK` together.

    Raises
    ------
    ValueError
        If it is no description, says something impossible, or a weight is not finite.
    """
    kind = description.get("module") if isinstance(description, dict) else None
    if not isinstance(kind, str) or kind not in _DESCRIPTIONS:
        raise ValueError("no module is described")
    n_weights = sum(array.size for array in weights.values())
    allowed = {"module": {kind}, **_DESCRIPTIONS[kind]}
    _check_fields(description, allowed, max(n_weights, _MOST_CHANNELS))
    encoder = description["encoder"]
    n_tokens = -(-encoder["n_channels"] // encoder["patch_size"])
    depths = encoder["depth"], description.get("decoder_depth", 0)
    n_blocks = len({name for name in map(_block_of, weights) if name})
    if max(depths) > min(_MOST_BLOCKS, n_blocks) or n_tokens > _MOST_TOKENS:
        raise ValueError(
            f"{max(depths)} blocks of {n_tokens} patches are described, and weights of "
            f"{n_blocks} blocks came with it. At most {_MOST_BLOCKS} blocks and "
            f"{_MOST_TOKENS} patches are allowed"
        )
    for name, array in weights.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"the weights {name!a:.80} are not finite")
    return max(0, _comparisons(description, n_tokens) - _WORK_OF_A_WEIGHT * n_weights)


def _comparisons(description, n_tokens):
    """Return how often attention compares two tokens; wide ones count for more."""
    encoder = description["encoder"]
    n_heads = encoder["n_heads"] + encoder["embed_dim"] // 32
    in_encoder = encoder["depth"] * n_heads * (encoder["encoder"] == "transformer")
    if "decoder_dim" not in description:
        return n_tokens**2 * in_encoder
    n_heads = description["decoder_n_heads"] + description["decoder_dim"] // 32
    return n_tokens**2 * (in_encoder + description["decoder_depth"] * n_heads)


def _block_of(name):
    """Return what the names of weights of one block begin with, or None."""
    found = re.match(r".*blocks\.\d+\.", name)
    return found and found[0]


def _check_fields(found, allowed, most):
    """Compare a description with what is allowed, field by field."""
    if not isinstance(found, dict) or found.keys() != allowed.keys():
        raise ValueError(f"a module is described by {sorted(allowed)}")
    for name, limits in allowed.items():
        value = found[name]
        if isinstance(limits, dict):
            _check_fields(value, limits, most)
        elif isinstance(limits, set):
            if not isinstance(value, str) or value not in limits:
                raise ValueError(f"{name} must be one of {sorted(limits)}")
        elif type(value) is not int or not limits <= value <= most:
            raise ValueError(
                f"{name} must be a whole number from {limits} to {most}. Got "
                f"{value!a:.40}"
            )


def _check_weights(expected, found):
    """Compare names, shapes and dtypes; list what differs."""
    wanted = {
        name: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in expected.items()
    }
    got = {name: (array.shape, array.dtype.name) for name, array in found.items()}
    differing = sorted(
        name for name in {*wanted, *got} if wanted.get(name) != got.get(name)
    )
    if differing:
        listed = [
            f"{name!a:.80}: {_shown(wanted.get(name))} wanted, "
            f"{_shown(got.get(name))} got"
            for name in differing[:5]
        ]
        listed += [f"and {len(differing) - 5} more"] if len(differing) > 5 else []
        raise ValueError(
            f"the weights are not those of the module described. {'; '.join(listed)}"
        )


def _shown(entry):
    return "nothing" if entry is None else f"{entry[1]} of shape {entry[0]}"
