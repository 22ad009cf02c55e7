"""
How fast the package is, and whether that is fast enough
========================================================

Every row is a goal: a step of pretraining against the same mathematics written plainly,
a whole ``fit`` against a bare loop, losses and masks against the cheapest ones, and so
on. What is compared runs in turns in one process and the first turn is thrown away;
medians, the ratio of the medians, and the lowest and the highest ratio of a turn are
reported. Where both do the same work, that they agree is checked first, and the note
says how well.

Rows without a rival are seconds, milliseconds or megabytes by themselves. Slow rows
take fewer turns than ``--runs``, and self-guided masks at least 15. ``--chart`` draws
what a step costs against the sizes of the model; ``--only --chart PATH`` does nothing
else.
"""

import argparse
import csv
import operator
import os
import platform
import sys
from functools import partial
from pathlib import Path
from statistics import median

import simulators
import speed_estimators as estimators
import speed_gpu as gpu
import speed_training as training
import torch
from speed_chart import draw
from steps import CPU, DEFAULT, MIDDLE, VIT_BASE, NotMeasured

from skspectra._inference import resolve_precision

ROWS = {  # what is measured, and the goal
    "step_vit_base": (partial(training.step, VIT_BASE, 16, "auto", most=5), ">= 2.5"),
    "step_vit_base_float32": (
        partial(training.step, VIT_BASE, 16, "float32", most=5),
        ">= 1",
    ),
    "step_256": (partial(training.step, MIDDLE, 64, "auto"), ">= 2.5"),
    "step_256_float32": (partial(training.step, MIDDLE, 64, "float32"), ">= 1"),
    "fit_tiny": (training.fit_tiny, "<= 1.25"),
    "state_space_38": (partial(training.state_space_layer, 38, "auto"), ">= 6"),
    "state_space_128": (partial(training.state_space_layer, 128, "auto"), ">= 6"),
    "state_space_512": (partial(training.state_space_layer, 512, "auto"), ">= 6"),
    "state_space_38_float32": (
        partial(training.state_space_layer, 38, "float32"),
        ">= 6",
    ),
    "state_space_128_float32": (
        partial(training.state_space_layer, 128, "float32"),
        ">= 6",
    ),
    "state_space_512_float32": (
        partial(training.state_space_layer, 512, "float32"),
        ">= 6",
    ),
    "transport_exact": (partial(training.transport_loss, "wasserstein_1d"), "<= 1.3"),
    "transport_windowed": (
        partial(training.transport_loss, "windowed_wasserstein"),
        "<= 1.3",
    ),
    "transport_step": (training.transport_step, "<= 1.05"),
    "self_guided_256": (partial(training.self_guided, MIDDLE, 64), "<= 1.05"),
    "self_guided_64": (partial(training.self_guided, DEFAULT, 128), "<= 1.05"),
    "pls": (estimators.cross_validate_pls, ">= 50"),
    "transform_auto": (partial(estimators.transform, "auto"), ">= 2.5"),
    "transform_float32": (partial(estimators.transform, "float32"), ">= 2.5"),
    "transform_bfloat16": (partial(estimators.transform, "bfloat16"), ">= 2.5"),
    "transform_memory": (estimators.transform_memory, "<= 50 MB"),
    "predict_row_200": (partial(estimators.predict_row, 200), "< 3 ms"),
    "predict_row_1024": (partial(estimators.predict_row, 1024), "< 3 ms"),
    "predict_row_2048": (partial(estimators.predict_row, 2048), "< 3 ms"),
    "grid": (estimators.grid, ">= 1.6"),
    "import": (estimators.import_ours, "<= 1.05"),
    "import_alone": (estimators.import_alone, ""),
    "simulator_xrf": (partial(estimators.simulator, simulators.xrf_cores), "< 60 s"),
    "simulator_infrared": (
        partial(estimators.simulator, simulators.infrared),
        "< 60 s",
    ),
    "gpu_step_vit_base": (partial(gpu.gpu_step, VIT_BASE, 256), ">= 45 %"),
    "gpu_step_256": (partial(gpu.gpu_step, MIDDLE, 256), ""),
    "gpu_transform_float32": (partial(gpu.gpu_transform, "float32"), ""),
    "gpu_transform_bfloat16": (
        partial(gpu.gpu_transform, "bfloat16"),
        ">= 18000 spectra/s",
    ),
    "compile": (training.compiled, ""),
}
UNASKED = [name for name in ROWS if name != "compile"]  # it takes a minute
REACHED = {">=": operator.ge, "<=": operator.le, "<": operator.lt}
COLUMNS = ["row", "what", "ours_s", "theirs_s", "value", "unit"]
COLUMNS += ["low", "high", "goal", "reached", "note"]


def what(name):
    """Say what a row measures, and against what."""
    measure = ROWS[name][0]
    return getattr(measure, "func", measure).__doc__.splitlines()[0]


def summary(name, args):
    """Measure a row and return its columns."""
    measure, goal = ROWS[name]
    row = dict.fromkeys(COLUMNS, "")
    row |= {"row": name, "what": what(name), "goal": goal}
    try:
        found = measure(args)
    except NotMeasured as reason:
        return row | {"note": f"{reason}: not measured"}
    values, value = found.ours, median(found.ours)
    if found.theirs:
        pairs = [(found.ours, found.theirs), (value, median(found.theirs))]
        # How many times faster where that is the goal, else how many times dearer.
        pairs = pairs if goal.startswith("<") else [pair[::-1] for pair in pairs]
        values = [one / other for one, other in zip(*pairs[0], strict=True)]
        row |= {"ours_s": value, "theirs_s": median(found.theirs)}
        value = pairs[1][0] / pairs[1][1]
    row |= {"value": value, "low": min(values), "high": max(values)}
    if goal:
        sign, bound = goal.split()[:2]
        row["reached"] = "yes" if REACHED[sign](value, float(bound)) else "NO"
    return row | {"unit": found.unit, "note": found.note}


def rounded(row):
    """Return a row with three digits."""
    return {key: f"{v:.3g}" if isinstance(v, float) else v for key, v in row.items()}


def shown(row):
    """Return a row as a line of the table."""
    return (
        "{row:22s}{ours_s:>10s}{theirs_s:>11s}{value:>9s} {unit:10s}"
        "{low:>8s}{high:>8s}  {goal:18s} {reached:8s}{note}".format(**rounded(row))
    )


def machine(n_threads):
    """Say where this runs."""
    name = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    able = getattr(torch.cpu, "get_capabilities", dict)()
    units = [f"{u} {bool(able.get(u))}" for u in ("amx_bf16", "avx512_bf16")]
    taken = resolve_precision("auto", CPU, sys.maxsize) or torch.float32
    return (
        f"{name}, {os.cpu_count()} cores, {n_threads} threads, "
        f"torch {torch.__version__}\n{', '.join(units)}, "
        f"precision='auto' takes {taken} for large batches"
    )


def arguments():
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="rows:\n" + "\n".join(f"  {n:24s}{what(n)}" for n in ROWS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        nargs="*",
        choices=list(ROWS),
        default=UNASKED,
        metavar="NAME",
        help="rows to measure, all but 'compile' when left out",
    )
    parser.add_argument("--runs", type=int, default=7, help="turns, 7 when left out")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="of torch"
    )
    parser.add_argument(
        "--samples", type=int, default=1000, help="spectra to embed, 1000 when left out"
    )
    parser.add_argument("--csv", help="file for the table")
    parser.add_argument("--chart", help="PNG file for the cost against sizes")
    parser.add_argument("--chart-csv", help="CSV file for the same")
    args = parser.parse_args()
    if args.runs < 1:
        parser.error(f"--runs must be at least 1. Got {args.runs} instead.")
    return args


def main():
    """Measure the rows and print and write the table."""
    args = arguments()
    torch.set_num_threads(args.threads)
    print(machine(args.threads), flush=True)
    print(shown({name: name for name in COLUMNS}), flush=True)
    rows = []
    for name in args.only:
        rows.append(summary(name, args))
        print(shown(rows[-1]), flush=True)
        if args.csv:  # after each row, so that a long run that is cut off leaves it
            with open(args.csv, "w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(map(rounded, rows))
    if args.chart or args.chart_csv:
        draw(args.chart, args.chart_csv, args.runs)


if __name__ == "__main__":
    main()
