"""Options that several commands have, and what becomes of them."""

import click

__all__ = ["count", "fill", "normalize", "normalizer", "seed"]


def count(flag, text, least=1):
    """Return the decorator of an option that is a whole number."""
    return click.option(flag, type=click.IntRange(least), metavar="N", help=text)


normalize = click.option(
    "--normalize",
    type=click.Choice(["standard", "minmax", "area", "max", "robust", "none"]),
    default="standard",
    show_default=True,
    help="How each spectrum is scaled by itself for the networks. Over none, standard "
    "(SNV) multiplied the error of the fine-tuned network by 0.3 on meat and 0.7 on "
    "wheat kernels, and by 1.1 on diesel fuel and on mash: for liquids try none.",
)
seed = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True
)


def fill(options, defaults):
    """Set the options that were not given."""
    options |= {key: options[key] or default for key, default in defaults.items()}


def normalizer(method):
    """Return the first step of the networks."""
    from sklearn.preprocessing import FunctionTransformer

    from skspectra import InstanceNormalizer

    return FunctionTransformer() if method == "none" else InstanceNormalizer(method)
