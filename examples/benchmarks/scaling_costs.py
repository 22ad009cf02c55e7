"""
What a corpus costs: the arithmetic behind scaling.py
=====================================================

The law that measured times follow, and what it says of larger corpora; how many
operations a step takes, what a GPU would make of them, and hours, memory and disk of
corpora. Rates of a processor are measured by scaling.py. **Those of GPUs are not**:
they follow from the constants below, and a number of your own can take their place.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student
from steps import DEFAULT, MIDDLE, VIT_BASE, build_objective


@dataclass
class Network:
    """A network, the spectra it is for, and how many make a batch."""

    sizes: dict
    n_channels: int
    batch: int  # on a processor
    gpu_batch: int = 256


NETWORKS = {
    "default": Network(DEFAULT, 1000, 128),
    "256 wide": Network(MIDDLE, 1000, 64),
    "ViT-base": Network(VIT_BASE, 2048, 16),
}
EPOCHS = {10**4: 100, 10**6: 10, 10**8: 1}  # assumed; what counts is steps
# Of the rate of one measured thread; that eight cores of a laptop reach: assumed.
LAPTOP = 8 * 0.7
# One GPU, an H200: products of large matrices in bfloat16, measured without this
# package, what a training reaches of that, assumed, and its memory, as published.
PEAK, SHARE, BANDWIDTH = 790e12, 0.45, 4.8e12
# Counted for eager torch and ViT-base: 1,101 launches for 20 blocks, shared out as the
# calls of torch are in networks of 5, 8 and 20 blocks; 6 us each; and 236 MB a spectrum
# that pass the memory, 212 bytes for each number of a token and block.
LAUNCHES, LAUNCHES_A_BLOCK, LAUNCH, BYTES_A_NUMBER = 57, 52, 6e-6, 212
EIGHT = 8 * 0.9  # GPUs, and what is left after waiting for each other: assumed
MOST_MISSED = 0.2  # by which a law may miss a size that it was not fitted to


@dataclass
class Law:
    """``seconds = a + b n``, and how sure that is."""

    a: float
    b: float
    covariance: np.ndarray
    quantile: float  # Student's, of 95 %
    most: float  # the largest size that was measured
    missed: float  # by how much of itself it is above what the others foretell
    exponent: float
    error_of_exponent: float

    @property
    def is_line(self):
        """Whether the smaller sizes foretell the largest."""
        return abs(self.missed) <= MOST_MISSED

    def __call__(self, n):
        """Return the seconds of n, and by how much they may be wrong.

        By twice their standard error or so, or by as large a part as the largest size
        was missed by, whichever is more.
        """
        x = np.array([1.0, n])
        value = x @ [self.a, self.b]
        error = self.quantile * np.sqrt(x @ self.covariance @ x)
        return value, max(error, abs(self.missed) * value)


def _line(n, seconds):
    """Return a, b and their covariance; relative errors are made small."""
    A = np.column_stack([1 / seconds, n / seconds])
    ab, *_ = np.linalg.lstsq(A, np.ones(len(n)), rcond=None)
    variance = ((A @ ab - 1) ** 2).sum() / (len(n) - 2)
    return ab, variance * np.linalg.inv(A.T @ A)


def fit_law(n, seconds):
    """Fit ``seconds = a + b n`` to what was measured.

    Parameters
    ----------
    n, seconds : array-like of shape (n_sizes,)
        Four sizes or more.

    Returns
    -------
    Law
        The law; see its ``is_line``.
    """
    n, seconds = np.array(n, float), np.array(seconds, float)
    if len(n) < 4:
        raise ValueError(f"A law takes at least 4 sizes. Got {len(n)}.")
    order = n.argsort()
    n, seconds = n[order], seconds[order]
    known, _ = _line(n[:-1], seconds[:-1])
    missed = seconds[-1] / (known @ [1, n[-1]]) - 1
    (a, b), covariance = _line(n, seconds)
    return Law(
        a,
        b,
        covariance,
        student.ppf(0.975, len(n) - 2),
        n[-1],
        missed,
        *exponent(n, seconds),
    )


def exponent(sizes, values):
    """Return the slope in logarithms and its standard error, NaN for two points."""
    x, y = np.log(np.array(sizes, float)), np.log(np.array(values, float))
    slope, offset = np.polyfit(x, y, 1)
    squares = ((y - slope * x - offset) ** 2).sum()
    free = len(x) - 2
    error = np.sqrt(squares / free / ((x - x.mean()) ** 2).sum()) if free else np.nan
    return slope, error


def law_of(points, column):
    """Fit the law to a column of what was measured against the number of spectra."""
    rows = points[points["against"] == "n_spectra"]
    return fit_law(rows["n_spectra"], rows[column])


def laws(points):
    """Return what the laws say, and of which of it nothing was measured."""
    rows = []
    for column, what in (("epoch_s", "an epoch"), ("first_pass_s", "the first pass")):
        law = law_of(points, column)
        rows += [
            (f"{what}: a, s", law.a, "fitted"),
            (f"{what}: b, us a spectrum", 1e6 * law.b, "fitted"),
            (
                f"{what}: standard error of b, %",
                100 * np.sqrt(law.covariance[1, 1]) / law.b,
                "fitted",
            ),
            (f"{what}: exponent", law.exponent, "fitted"),
            (f"{what}: standard error of it", law.error_of_exponent, "fitted"),
            (
                f"{what}: {law.most:,.0f} spectra above the law of fewer, %",
                100 * law.missed,
                "measured" if law.is_line else "measured: NO LINE",
            ),
        ]
        for n in (10**6, 10**7):
            value, error = law(n)
            said = f"extrapolated, {(value - error) / 60:.3g} to "
            said += f"{(value + error) / 60:.3g}"
            rows.append((f"{what}: {n:,} spectra, min", value / 60, said))
    return pd.DataFrame(rows, columns=["what", "value", "how it is known"])


def powers(points):
    """Return the powers of tokens and width that steps and transform grow with.

    Of all sizes, and of the upper half, where the fixed costs of a step count little.
    """
    rows = []
    for (against, precision), found in points.groupby(["against", "precision"]):
        if against not in ("n_tokens", "embed_dim"):
            continue
        found = found.astype({"size": int}).sort_values("size")
        for column, what in (("step_s", "step"), ("embedding_us", "transform")):
            slope, error = exponent(found["size"], found[column])
            upper = found[len(found) // 2 if len(found) > 3 else 0 :]
            steep, of_steep = exponent(upper["size"], upper[column])
            rows.append(
                {"what": what, "against": against, "precision": precision}
                | {"power": slope, "standard error": error}
                | {"upper half": steep, "its standard error": of_steep}
            )
    return pd.DataFrame(rows)


def processes(points):
    """Return what the same steps take in one process and divided among several."""
    found = points[points["against"] == "processes"].reset_index()
    return pd.DataFrame(
        {
            "processes": found["size"],
            "batch_size of each": found["batch_size"],
            "processor, all of them, s": found["epoch_s"],
            "clock, s": found["epoch_clock_s"],
            "processor, of one process": found["epoch_s"] / found["epoch_s"][0],
            "memory, all of them, MB": found["rss_mb"],
        }
    )


def token_counts(n_channels, patch_size=16, mask_ratio=0.5):
    """Return the number of tokens of a spectrum, and of those that are not hidden."""
    n_tokens = ceil(n_channels / patch_size)
    return n_tokens, n_tokens - max(1, round(mask_ratio * n_tokens))


def flop(sizes, n_channels=2048, patch_size=16, mask_ratio=0.5):
    """Return the operations of the products of a training step, for one spectrum.

    A weight costs two forward and four backward for each token that it sees, and a
    block of width d has 12 d² weights. Attention adds two products of n² d each. The
    encoder sees the visible tokens and the decoder all.
    """
    n_tokens, n_kept = token_counts(n_channels, patch_size, mask_ratio)
    dim, wide = sizes["embed_dim"], sizes["decoder_dim"]
    total = 4 * n_kept * patch_size * dim  # no gradient of the spectra
    total += 6 * n_kept * dim * wide + 6 * n_tokens * wide * patch_size
    stacks = (
        (sizes["depth"], dim, n_kept),
        (sizes["decoder_depth"], wide, n_tokens),
    )
    return total + sum(
        depth * (6 * n * 12 * d**2 + 12 * n**2 * d) for depth, d, n in stacks
    )


def n_numbers(sizes, n_channels):
    """Return the numbers of all tokens of a spectrum that enter a block."""
    n_tokens, n_kept = token_counts(n_channels)
    encoder = n_kept * sizes["embed_dim"] * sizes["depth"]
    return encoder + n_tokens * sizes["decoder_dim"] * sizes["decoder_depth"]


def gpu_rate(network, reading_us):
    """Return the spectra a second of one GPU, and what limits it. Not measured."""
    sizes, n_channels = network.sizes, network.n_channels
    n_flop = flop(sizes, n_channels)
    traffic = BYTES_A_NUMBER * n_numbers(sizes, n_channels) / BANDWIDTH
    n_blocks = sizes["depth"] + sizes["decoder_depth"]
    launches = LAUNCHES + LAUNCHES_A_BLOCK * n_blocks
    bounds = {
        "products": SHARE * PEAK / n_flop,
        "memory": 1 / (n_flop / PEAK + traffic),
        "launches": network.gpu_batch / (launches * LAUNCH),
        "reading": 1e6 / reading_us,
    }
    return min((rate, name) for name, rate in bounds.items())


def counted(network):
    """Return the parameters, and the bytes that the backward pass needs of a spectrum.

    Counted by torch, in bfloat16 and on the processor, where attention keeps more.
    """
    objective = build_objective(network.sizes, network.n_channels)
    totals = []
    for n_spectra in (2, 4):
        kept = {}

        def note(tensor, kept=kept):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        x = torch.randn(n_spectra, network.n_channels)
        hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
        with hooks, torch.autocast("cpu", torch.bfloat16):
            loss = objective(x)
        totals.append(sum(kept.values()))
        del loss
    n_parameters = sum(parameter.numel() for parameter in objective.parameters())
    return n_parameters, (totals[1] - totals[0]) / 2


def rates(points):
    """Return for each network what was measured, what is assumed and what follows."""
    measured = points[points["against"] == "network"].set_index("size")
    largest = points[points["against"] == "n_spectra"].iloc[-1]
    # Microseconds a channel.
    reading = largest["reading_us"] / largest["n_channels"]
    first = 1e6 * law_of(points, "first_pass_s").b / largest["n_channels"]
    rows = []
    for name, network in NETWORKS.items():
        found, width = measured.loc[name], network.n_channels
        one = found["batch_size"] / found["step_s"]
        gpu, limit = gpu_rate(network, reading * width)
        weights, kept = counted(network)
        rows.append(
            {
                "network": name,
                "channels": width,
                "parameters, million": weights / 1e6,
                "GFLOP a spectrum": flop(network.sizes, width) / 1e9,
                "one thread": one,
                "laptop": LAPTOP * one,
                "one GPU": gpu,
                "limited by": limit,
                "eight GPUs": EIGHT * gpu,
                "eight GPUs read, MB/s": 4e-6 * width * EIGHT * gpu,
                "RAM, MB": found["rss_mb"],
                "GPU memory, GB": (16 * weights + network.gpu_batch * kept) / 1e9,
                "first pass, us": first * width,
                "reading, us": reading * width,
            }
        )
    return pd.DataFrame(rows)


def own_rate(name, spectra_per_second):
    """Return the rates of a machine on which a network was measured by yourself."""
    row = {"network": name, "channels": NETWORKS[name].n_channels}
    return pd.DataFrame([row | {"yours": spectra_per_second, "first pass, us": 0.0}])


def duration(seconds):
    """Return a time in the unit that suits it, two digits."""
    units = [("s", 1), ("min", 60), ("h", 3600), ("days", 86400), ("years", 31557600)]
    fitting = [unit for unit in units if seconds >= 1.5 * unit[1]]
    name, size = fitting[-1] if fitting else units[0]
    return f"{float(f'{seconds / size:.2g}'):,g} {name}"


def costs(rates):
    """Return what corpora cost at so many spectra a second, the first pass included."""
    machines = ["yours", "laptop", "one GPU", "eight GPUs"]
    rows = []
    for row in rates.to_dict("records"):
        for n_spectra, epochs in EPOCHS.items():
            found = {"network": row["network"], "spectra": f"{n_spectra:,}"}
            found["disk"] = f"{4e-9 * n_spectra * row['channels']:,.3g} GB"
            found |= {"epochs": epochs, "seen": f"{epochs * n_spectra:,}"}
            first = n_spectra * row["first pass, us"] / 1e6
            for machine in machines:
                if machine in row:
                    seconds = first + epochs * n_spectra / row[machine]
                    found[machine] = duration(seconds)
            rows.append(found)
    return pd.DataFrame(rows)
