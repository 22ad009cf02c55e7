"""`skspectra compare --report`: the page, and where it cannot be written."""

import html
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import Ridge

import skspectra.evaluation
from skspectra.cli import main
from skspectra.cli._report import _REPEATED, write_report
from skspectra.datasets import make_nir_mixtures
from skspectra.io._samples import read_samples

MEAT = "skspectra compare meat.csv --target 'fat <%>'"
TINY = "--epochs 2 --pretrain-epochs 2 --folds 2 --repeats 1 --jobs 1"


def run(command):
    return CliRunner().invoke(main, shlex.split(command)[1:])


@pytest.fixture(autouse=True)
def laboratory(tmp_path, monkeypatch):
    """A folder with a table of 24 spectra, some unlabelled, two of them copies."""
    monkeypatch.chdir(tmp_path)
    mixtures = make_nir_mixtures(24, 21, random_state=0)
    table = pd.DataFrame(mixtures.data, columns=[f"{x:g}" for x in mixtures.x_axis])
    table.iloc[5] = table.iloc[4]
    table["fat <%>"] = mixtures.target
    table.loc[[0, 7], "fat <%>"] = np.nan
    table.to_csv("meat.csv", index=False)


def test_the_page_tells_the_run_and_how_to_repeat_it():
    result = run(
        f"skspectra compare meat.csv --target 'fat <%>' --report a.html {TINY}"
    )
    assert result.exit_code == 0, result.output
    text = Path("a.html").read_text("utf-8")
    for sentence in result.stdout.splitlines()[-3:]:
        assert html.escape(sentence, quote=False).replace("'", "&#39;") in text
    for words in (
        "24, 22 of them with reference values",
        "21, from 1100 to 2500; unit not given",
        "<td>meat.csv</td>",
        "Measured fat &lt;%&gt;",
        "1 spectra equal an earlier one",
    ):
        assert words in text
    assert text.count("exact copy that may train") == 1
    assert "copies of others" in result.stderr and "copies of others" not in text
    (words,) = re.findall(r"<code>(.*skspectra.*compare.*)</code>", text)
    command = html.unescape(re.sub("<[^>]*>", "", words))
    again = run(f"{command} --jobs 1 --out again")
    assert again.stdout == result.stdout
    settings = json.loads(Path("again", "settings.json").read_text("utf-8"))
    assert settings["options"]["report"] is None


@pytest.mark.parametrize(
    "path, words",
    [
        ("none/report.html", "--report none/report.html: No such file or directory."),
        (".", "--report . is a folder. Give the name of a file."),
        ("meat.csv/report.html", "--report meat.csv/report.html: Not a directory."),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_before_the_fits(
    path, words, monkeypatch
):
    def fitted(*args, **kwargs):
        raise AssertionError("something was fitted")

    monkeypatch.setattr(skspectra.evaluation, "compare", fitted)
    result = run(
        f"skspectra compare meat.csv --target 'fat <%>' --report {path} {TINY}"
    )
    assert words in result.stderr and result.stdout == ""
    assert result.exit_code not in (0, 1)
    assert not Path("skspectra-compare").exists()


def test_the_pool_and_the_unit_of_the_bundled_sets_are_told():
    samples = read_samples(dataset="fermentation", folds=5)
    found = skspectra.evaluation.compare({"a": Ridge()}, samples.X, samples.y)
    given = dict.fromkeys(_REPEATED) | {"quick": True, "report": "a.html"}
    write_report(found, samples, given)
    text = Path("a.html").read_text("utf-8")
    n_channels, (first, last) = samples.X.shape[1], samples.x_axis[[0, -1]]
    for words in (
        f"{n_channels}, from {first:g} to {last:g} cm⁻¹",
        f"{len(samples.pool)} spectra without reference values",
        "A first look: the networks were not trained to the end.",
    ):
        assert words in text
