"""
How long a layer of damped oscillators takes
============================================

A layer of damped oscillators projects its tokens, filters them from both ends, and
projects them back. The filter can be computed as an associative scan, which is how it
is published, step by step under autograd, as a product with a matrix for each
oscillator, by Fourier transforms, or by a recurrence with a backward pass of its own.
``DampedOscillators`` has the last three and takes the fastest for the size and the
device. All of them give the same numbers, which is checked first.

Runs are interleaved, so that a machine that slows down slows all of them, and the
median of the processor's time, forward and backward, is reported.
"""

import argparse
from functools import partial
from statistics import median
from time import process_time
from unittest.mock import patch

import torch

from skspectra.nn import DampedOscillators, _resonance


def combine(first, second):
    """Do two affine maps of the state, one after the other."""
    (a, b, c, d), (x, y) = first[0].unbind(1), first[1].unbind(1)
    (e, f, g, h), (u, v) = second[0].unbind(1), second[1].unbind(1)
    matrix = (e * a + f * c, e * b + f * d, g * a + h * c, g * b + h * d)
    offset = (e * x + f * y + u, g * x + h * y + v)
    return torch.stack(matrix, 1), torch.stack(offset, 1)


def interleave(even, odd):
    """Put the elements of two sequences in turns."""
    woven = torch.stack((even[: len(odd)], odd), 1).flatten(0, 1)
    return torch.cat((woven, even[len(odd) :]))


def scan(matrices, offsets):
    """Return what the first 1, 2, ... affine maps do together, in log n rounds."""
    n = len(offsets)
    if n < 2:
        return matrices, offsets
    even = (matrices[: n - 1 : 2], offsets[: n - 1 : 2])
    odd = scan(*combine(even, (matrices[1::2], offsets[1::2])))
    before = tuple(part[: (n - 1) // 2] for part in odd)
    later = combine(before, (matrices[2::2], offsets[2::2]))
    even = (torch.cat((matrices[:1], later[0])), torch.cat((offsets[:1], later[1])))
    return interleave(even[0], odd[0]), interleave(even[1], odd[1])


def by_scan(drive, damping, angle, *, copied):
    """Compute the filter by the scan; `copied`: with a matrix for each spectrum."""
    drive = drive.unflatten(2, (-1, angle.shape[1]))
    answers = []
    for k in range(2):
        v = drive.flip(0) if k else drive
        tau = 2 * torch.exp(-damping[k]) * angle[k].cos()
        delta = torch.exp(-2 * damping[k])
        matrix = torch.stack((tau, -delta, torch.ones_like(tau), torch.zeros_like(tau)))
        matrices = matrix[:, None, None].expand(len(v), -1, 1, 1, -1)
        if copied:
            matrices = matrices.expand(-1, -1, *v.shape[1:]).contiguous()
        v = _resonance.gains(damping, angle)[k] * v
        states = scan(matrices, torch.stack((v, torch.zeros_like(v)), 1))[1][:, 0]
        answers.append(states.flip(0) if k else states)
    return (answers[0] + answers[1]).flatten(2)


def by_single_steps(drive, damping, angle):
    """Compute the filter step by step, every step a node of autograd's graph."""
    v = drive.unflatten(2, (-1, angle.shape[1]))
    tau, delta = 2 * torch.exp(-damping) * angle.cos(), (-2 * damping).exp()
    gain, answer = _resonance.gains(damping, angle), 0
    for k in range(2):
        before = last = torch.zeros_like(v[0])
        states = []
        for v_n in v.flip(0) if k else v:
            before, last = last, v_n + tau[k] * last - delta[k] * before
            states.append(last)
        answer = answer + gain[k] * torch.stack(states[::-1] if k else states)
    return answer.flatten(2)


FORMS = {
    "associative scan": partial(by_scan, copied=False),
    "the same, a matrix a spectrum": partial(by_scan, copied=True),
    "single steps": by_single_steps,
    "matrix": _resonance.by_matrix,
    "FFT": _resonance.by_fft,
    "recurrence": _resonance.by_recurrence,
    "as chosen": _resonance.resonate,
    "projections alone": lambda drive, damping, angle: drive,
}


def timed(layer, tokens, grad, form):
    """Return the seconds of a forward and a backward pass, and the output."""
    with patch("skspectra.nn._state_space.resonate", form):
        start = process_time()
        output = layer(tokens)
        output.backward(grad)
        return process_time() - start, output.detach()


def main():
    """Time all in turns and print medians and their ratios to the scan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--tokens", type=int, nargs="+", default=[38, 128, 512])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer = DampedOscillators(args.dim)
    print(f"{args.batch} spectra, {args.dim} wide, {layer.n_oscillators} oscillators")
    print(f"each way, forward and backward, median of {args.runs} runs")
    for n_tokens in args.tokens:
        tokens = torch.randn(args.batch, n_tokens, args.dim, requires_grad=True)
        grad = torch.randn(args.batch, n_tokens, args.dim)
        seconds = {name: [] for name in FORMS}
        outputs = {name: timed(layer, tokens, grad, f)[1] for name, f in FORMS.items()}
        for _ in range(args.runs):
            for name, form in FORMS.items():
                seconds[name].append(timed(layer, tokens, grad, form)[0])
        scanned = outputs["associative scan"]
        reference = median(seconds["associative scan"])
        print(f"\n{n_tokens} tokens{'':22s}     ms   faster than the scan   difference")
        for name, runs in seconds.items():
            difference = (outputs[name] - scanned).abs().max() / scanned.abs().max()
            ratio = reference / median(runs)
            shown = "" if name == "projections alone" else f"{difference:18.0e}"
            print(f"{name:30s} {1e3 * median(runs):8.1f} {ratio:12.1f}{shown}")


if __name__ == "__main__":
    main()
