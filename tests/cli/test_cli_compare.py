"""`skspectra compare`: what it prints and writes, and what it refuses."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import r2_score, root_mean_squared_error

import skspectra.evaluation
from skspectra import MaskedSpectralPretrainer, SpectralRegressor, metrics
from skspectra.cli import main
from skspectra.datasets import load_fermentation, make_nir_mixtures
from skspectra.exceptions import FewLabelsWarning
from skspectra.io import read_table
from skspectra.io._samples import read_samples

FILES = {
    "folds.csv",
    "predictions.csv",
    "predictions.png",
    "ratios.png",
    "settings.json",
    "table.csv",
}
PROGRAM = [sys.executable, "-m", "skspectra"]
NETWORKS = ["scratch", "pretrained probe", "pretrained fine-tuned"]
RIVALS = ["stack", *NETWORKS]
TINY = "--epochs 2 --pretrain-epochs 2 --folds 3 --repeats 1 --jobs 1"
TWICE = "--epochs 2 --pretrain-epochs 2 --folds 2 --repeats 2"
MEAT = "meat.csv --target fat"


def make_table(n_samples=24, seed=0):
    """A table as a laboratory keeps it: two scans a sample, one column not numeric."""
    mixtures = make_nir_mixtures(
        n_samples, 21, n_groups=n_samples // 2, random_state=seed
    )
    table = pd.DataFrame(mixtures.data, columns=[f"{x:g}" for x in mixtures.x_axis])
    table.insert(0, "sample", [f"S{group:02d}" for group in mixtures.groups])
    return table.assign(fat=mixtures.target)


def compare(arguments, tiny=TINY):
    command = ["compare", *arguments.split(), *tiny.split()]
    return CliRunner().invoke(main, command)


def read_settings():
    path = Path("skspectra-compare", "settings.json")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def never_fitted(monkeypatch):
    """Fail the test if the command gets as far as fitting anything."""

    def fitted(*args, **kwargs):
        raise AssertionError("something was fitted")

    monkeypatch.setattr(skspectra.evaluation, "compare", fitted)
    monkeypatch.setattr(MaskedSpectralPretrainer, "fit", fitted)


@pytest.fixture
def pretrained_on(monkeypatch):
    """Collect (max_epochs, spectra) of every pretraining in this process."""
    seen, fit = [], MaskedSpectralPretrainer.fit

    def watched(self, X, y=None):
        seen.append((self.max_epochs, np.array(X)))
        return fit(self, X, y)

    monkeypatch.setattr(MaskedSpectralPretrainer, "fit", watched)
    return seen


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One run on a table with groups, two folds drawn twice."""
    folder = tmp_path_factory.mktemp("done")
    with contextlib.chdir(folder):
        make_table().to_csv("meat.csv", index=False)
        result = compare(f"{MEAT} --groups sample --out out", f"{TWICE} --jobs 1")
    assert result.exit_code == 0, result.output
    return result, folder / "out"


def refused(result, *words):
    """Whether one line on stderr says all the words, and nothing else happened."""
    lines = result.stderr.splitlines()
    assert result.exit_code == 3, result.output
    assert len(lines) == 1, result.stderr
    assert result.stdout == ""
    for word in words:
        assert word in lines[0]
    return True


def test_the_standard_output_is_the_table_and_the_verdict(done):
    result, _ = done
    head, blank, titles, *rows = result.stdout.splitlines()
    assert head.startswith("Means over 2 x 2 grouped folds, 24 tested rows")
    assert blank == "" and titles.split()[:3] == ["RMSEP", "bias", "SEP"]
    for name, row in zip(["PLS", *RIVALS], rows[:5], strict=True):
        assert row.startswith(name)
    assert rows[5] == "" and len(rows) == 10
    for name, sentence in zip(RIVALS, rows[6:], strict=True):
        assert repr(name) in sentence and "2 x 2 grouped folds" in sentence


def test_the_standard_error_says_what_runs_and_counts_the_fits(done):
    result, _ = done
    for words in ("labelled: 24", "groups: 12", "channels: 21", "axis: 1100 to 2500"):
        assert words in result.stderr
    assert "20/20" in result.stderr
    assert result.stderr.splitlines()[-1].endswith("are in out.")


def test_few_labels_are_noted_once_and_not_by_every_fit(done, monkeypatch):
    result, _ = done
    assert result.stderr.count("about 12 labels a fold") == 1
    make_table().to_csv("meat.csv", index=False)
    monkeypatch.setattr(skspectra.evaluation, "compare", warn)
    stderr = compare(f"{MEAT} --groups sample").stderr
    assert "Note: other" in stderr and "Note: few" not in stderr


def warn(*args, **kwargs):
    """Stand in for the comparison: warn as each fit would."""
    warnings.warn("few", FewLabelsWarning, stacklevel=2)
    warnings.warn("other", UserWarning, stacklevel=2)
    raise AssertionError("enough seen")


def test_all_files_are_written(done):
    _, out = done
    assert {path.name for path in out.iterdir()} == FILES
    for name in ("ratios.png", "predictions.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")


def test_the_table_can_be_computed_from_the_predictions(done):
    _, out = done
    table = pd.read_csv(out / "table.csv", index_col="estimator")
    predictions = pd.read_csv(out / "predictions.csv")
    figures = {
        "rmsep": root_mean_squared_error,
        "bias": metrics.bias,
        "sep": metrics.sep,
        "r2": r2_score,
        "rpd": metrics.rpd,
        "rpiq": metrics.rpiq,
        "ccc": metrics.concordance_correlation,
    }
    folds = [part for _, part in predictions.groupby(["repeat", "fold"])]
    assert len(folds) == 4
    errors = {}
    for name in ["PLS", *RIVALS]:
        for figure, function in figures.items():
            values = [function(part["measured"], part[name]) for part in folds]
            assert table.loc[name, figure] == pytest.approx(np.mean(values), rel=1e-12)
            errors[name, figure] = np.array(values)
        ratio = np.exp(np.mean(np.log(errors[name, "rmsep"] / errors["PLS", "rmsep"])))
        assert table.loc[name, "rmsep_ratio"] == pytest.approx(ratio, rel=1e-12)


def test_predictions_name_rows_and_groups_of_the_table(done):
    _, out = done
    table, predictions = make_table(), pd.read_csv(out / "predictions.csv")
    assert sorted(predictions["row"]) == sorted([*range(24)] * 2)
    rows = table.iloc[predictions["row"]]
    assert predictions["measured"].to_numpy() == pytest.approx(rows["fat"].to_numpy())
    assert (predictions["group"].to_numpy() == rows["sample"].to_numpy()).all()
    per_group = predictions.groupby(["repeat", "group"])["fold"].nunique()
    assert (per_group == 1).all()


def test_settings_hold_what_is_needed_to_run_it_again(done):
    _, out = done
    settings = json.loads((out / "settings.json").read_text(encoding="utf-8"))
    assert settings["data"]["labelled"] == 24
    assert settings["data"]["axis"] == "1100 to 2500"
    assert settings["options"]["seed"] == 0
    assert settings["options"]["epochs"] == 2
    assert settings["versions"]["skspectra"] == skspectra.__version__


def test_the_seed_decides_the_table_and_the_number_of_jobs_does_not(done):
    make_table().to_csv("meat.csv", index=False)
    again = compare(f"{MEAT} --groups sample --out again", f"{TWICE} --jobs 2")
    assert again.stdout == done[0].stdout
    first, second = (out / "predictions.csv" for out in (done[1], Path("again")))
    assert second.read_bytes() == first.read_bytes()
    other = compare(f"{MEAT} --groups sample --seed 1", f"{TWICE} --jobs 1")
    assert other.exit_code == 0
    assert other.stdout != done[0].stdout


def test_files_of_an_earlier_run_are_overwritten_and_others_kept(tmp_path):
    make_table().to_csv("meat.csv", index=False)
    out = tmp_path / "skspectra-compare"
    out.mkdir()
    (out / "table.csv").write_text("old")
    (out / "mine.txt").write_text("mine")
    assert compare(MEAT).exit_code == 0
    assert len(pd.read_csv(out / "table.csv")) == 5
    assert (out / "mine.txt").read_text() == "mine"


FORMATS = {
    "comma.csv": dict(index=False),
    "tab.tsv": dict(index=False, sep="\t"),
    "german.csv": dict(index=False, sep=";", decimal=","),
    "german_ansi.csv": dict(index=False, sep=";", decimal=",", encoding="cp1252"),
    "excel_unicode.txt": dict(index=False, sep="\t", decimal=",", encoding="utf-16"),
    "with_mark.csv": dict(index=False, encoding="utf-8-sig"),
    "with_index.csv": dict(index=True),
}


@pytest.mark.parametrize("name", [*FORMATS, "table.parquet"])
def test_every_format_gives_the_same_spectra(name):
    table = make_table().assign(größe="ä")
    table.loc[3, "fat"] = np.nan
    if name in FORMATS:
        table.to_csv(name, **FORMATS[name])
    else:
        table.to_parquet(name)
    read = read_table(name, target="fat", groups="sample")
    spectra = table.drop(columns=["sample", "fat", "größe"])
    np.testing.assert_array_equal(read.data, spectra.to_numpy())
    np.testing.assert_array_equal(read.target, table["fat"].to_numpy())
    assert read.groups.tolist() == table["sample"].to_list()
    assert read.x_axis.tolist() == [float(name) for name in spectra.columns]
    assert "größe" in read.other_names


def test_decimal_commas_in_the_names_of_the_channels_are_understood(tmp_path):
    table = tmp_path / "names.csv"
    table.write_text("fat;850,5;851;852,5\n1;0,1;0,2;3\n2;0,3;0,4;1,5e1\n")
    read = read_table(table, target="fat")
    assert read.x_axis.tolist() == [850.5, 851.0, 852.5]
    assert read.data.tolist() == [[0.1, 0.2, 3.0], [0.3, 0.4, 15.0]]


def test_channels_keep_the_order_of_the_table(tmp_path):
    table = tmp_path / "wavenumbers.csv"
    table.write_text("4000,3998,note,3996,fat\n1,2,a,3,4\n5,6,b,7,8\n")
    read = read_table(table, target="fat")
    assert read.x_axis.tolist() == [4000.0, 3998.0, 3996.0]
    assert read.data.tolist() == [[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]]


def test_empty_rows_are_no_samples(tmp_path):
    table = tmp_path / "trailing.csv"
    table.write_text("850,851,fat\n1,2,3\n\n4,5, \n,,\n   \n")
    read = read_table(table, target="fat")
    assert read.data.tolist() == [[1.0, 2.0], [4.0, 5.0]]
    np.testing.assert_array_equal(read.target, [3.0, np.nan])


def test_the_axis_reaches_the_pretrainer(pretrained_on, monkeypatch):
    make_table().to_csv("meat.csv", index=False)
    axes, fit = [], MaskedSpectralPretrainer.fit
    monkeypatch.setattr(
        MaskedSpectralPretrainer,
        "fit",
        lambda self, X, y=None: axes.append(self.x_axis) or fit(self, X, y),
    )
    assert compare(MEAT).exit_code == 0
    assert axes
    for axis in axes:
        np.testing.assert_allclose(axis, np.linspace(1100, 2500, 21))


def test_without_a_pool_each_fold_pretrains_on_its_own_spectra(pretrained_on):
    table = make_table()
    table.loc[20:, "fat"] = np.nan
    table.to_csv("meat.csv", index=False)
    result = compare(f"{MEAT} --normalize none")
    assert result.exit_code == 0, result.output
    spectra = table.iloc[:, 1:-1].to_numpy()
    trained = [X for epochs, X in pretrained_on if epochs]
    assert len(trained) == 3 * 2  # folds; probe and fine-tuned
    predictions = pd.read_csv("skspectra-compare/predictions.csv")
    for X in trained:
        assert len(X) < 24
        rows = {int(np.flatnonzero((spectra == x).all(axis=1))[0]) for x in X}
        assert {20, 21, 22, 23} < rows
        held_out = predictions.groupby("fold")["row"].agg(set)
        assert sum(rows.isdisjoint(test) for test in held_out) == 1


def test_unlabelled_rows_train_the_networks_and_test_nothing():
    table = make_table()
    table.loc[[2, 3, 9], "fat"] = np.nan
    table.to_csv("meat.csv", index=False)
    assert compare(MEAT).exit_code == 0
    folds = pd.read_csv("skspectra-compare/folds.csv")
    n_unlabelled = folds.groupby("estimator")["n_unlabelled"].agg(set)
    assert n_unlabelled["PLS"] == {0}
    assert all(n_unlabelled[name] == {3} for name in RIVALS)
    tested = set(pd.read_csv("skspectra-compare/predictions.csv")["row"])
    assert tested == set(range(24)) - {2, 3, 9}


def test_a_pool_is_pretrained_on_once_with_the_unlabelled_rows(pretrained_on):
    table, pool = make_table(), make_table(30, seed=1).drop(columns="fat")
    table.loc[:2, "fat"] = np.nan
    table.to_csv("meat.csv", index=False)
    pool.to_csv("pool.csv", index=False)
    result = compare(f"{MEAT} --pool pool.csv --normalize none")
    assert result.exit_code == 0, result.output
    assert "pool: 33" in result.stderr
    ((epochs, X),) = [fit for fit in pretrained_on if fit[0]]
    assert epochs == 2
    expected = np.concatenate([pool.iloc[:, 1:], table.iloc[:3, 1:-1]])
    np.testing.assert_array_equal(X, expected)
    predictions = pd.read_csv("skspectra-compare/predictions.csv")
    assert set(predictions["row"]) == set(range(3, 24))
    rows = table["fat"][predictions["row"]]
    assert predictions["measured"].to_numpy() == pytest.approx(rows.to_numpy())


def test_with_a_pool_the_networks_hold_frozen_weights(monkeypatch):
    make_table().to_csv("meat.csv", index=False)
    make_table(30, seed=1).drop(columns="fat").to_csv("pool.csv", index=False)
    pretrainers, fit = [], SpectralRegressor.fit

    def watched(self, *args, **kwargs):
        pretrainers.append(self.pretrainer)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(SpectralRegressor, "fit", watched)
    assert compare(f"{MEAT} --pool pool.csv").exit_code == 0
    frozen = [isinstance(one, FrozenEstimator) for one in pretrainers]
    assert frozen == [False, True, True] * 3


def test_copies_of_labelled_spectra_are_not_pretrained_on(pretrained_on):
    table, pool = make_table(), make_table(30, seed=1)
    table.loc[5, "fat"] = np.nan
    table.loc[5, table.columns[1:-1]] = table.loc[0, table.columns[1:-1]]
    pool.iloc[[4, 7], 1:-1] = table.iloc[[8, 23], 1:-1].to_numpy()
    table.to_csv("meat.csv", index=False)
    pool.drop(columns=["fat", "sample"]).to_csv("pool.csv", index=False)
    result = compare(f"{MEAT} --pool pool.csv --normalize none")
    assert result.exit_code == 0, result.output
    assert "Note: 3 unlabelled spectra are copies of labelled ones" in result.stderr
    assert "transductive" in result.stderr
    ((_, X),) = [fit for fit in pretrained_on if fit[0]]
    kept = pool.drop(index=[4, 7]).iloc[:, 1:-1]
    np.testing.assert_array_equal(X, kept)
    assert len(read_settings()["data"]["notes"]) == 1


def test_tested_spectra_that_were_pretrained_on_in_another_scale_are_noted():
    table, pool = make_table(), make_table(30, seed=1)
    pool.iloc[[4, 7], 1:-1] = 100 * table.iloc[[8, 23], 1:-1].to_numpy()
    table.to_csv("meat.csv", index=False)
    pool.drop(columns=["fat", "sample"]).to_csv("pool.csv", index=False)
    result = compare(f"{MEAT} --pool pool.csv --repeats 2")
    assert result.exit_code == 0, result.output
    assert "Note: 2 of the 24 spectra tested are in the pool too" in result.stderr
    assert "Warning" not in result.stderr
    (note,) = read_settings()["data"]["notes"]
    assert "transductive" in note


def test_unlabelled_rows_of_a_tested_group_stay_out_of_the_pool():
    table = make_table()
    table.loc[[0, 2, 3], "fat"] = np.nan  # one of two scans of S00, both of S01
    table.to_csv("meat.csv", index=False)
    make_table(30, seed=1).drop(columns=["fat", "sample"]).to_csv(
        "pool.csv", index=False
    )
    samples = read_samples(
        table="meat.csv", target="fat", groups="sample", pool="pool.csv", folds=3
    )
    assert len(samples.pool) == 32
    assert "1 unlabelled rows share a group" in " ".join(samples.notes)
    assert samples.rows.tolist() == [1, *range(4, 24)]
    assert samples.groups.tolist() == table["sample"][samples.rows].to_list()


def test_spectra_of_tested_groups_leave_the_pool():
    table = make_table()
    table.to_csv("meat.csv", index=False)
    disturbed = table.drop(columns="fat")
    channels = disturbed.columns.drop("sample")
    disturbed[channels] = disturbed[channels] + 1e-6  # no exact copies
    strangers = make_table(seed=1).drop(columns="fat").assign(sample="stranger")
    pd.concat([disturbed, strangers]).to_csv("pool.csv", index=False)
    named = {"table": "meat.csv", "target": "fat", "pool": "pool.csv", "folds": 3}
    samples = read_samples(groups="sample", **named)
    np.testing.assert_allclose(samples.pool, strangers[channels])
    assert f"{len(table)} spectra of the pool belong" in " ".join(samples.notes)
    strangers.drop(columns="sample").to_csv("pool.csv", index=False)
    samples = read_samples(groups="sample", **named)
    assert len(samples.pool) == len(strangers)
    assert "it is for you to know" in " ".join(samples.notes)


@pytest.mark.parametrize(
    "copy, groups, told",
    [
        (1, None, "1 labelled spectra are copies of others. A copy may train"),
        (1, "sample", None),
        (9, "sample", "1 labelled spectra are copies of others in another group"),
    ],
)
def test_labelled_copies_that_a_split_may_part_are_told(copy, groups, told):
    table = make_table()
    table.iloc[copy, 1:-1] = table.iloc[0, 1:-1]
    table.to_csv("meat.csv", index=False)
    samples = read_samples(table="meat.csv", target="fat", groups=groups, folds=3)
    assert len(samples.notes) == (told is not None)
    assert told is None or told in samples.notes[0]


def test_without_numbers_for_names_all_numeric_columns_are_channels():
    table = make_table().rename(columns=lambda name: f"A{name}")
    table = table.rename(columns={"Afat": "fat", "Asample": "sample"})
    table.assign(moisture=1.0, note="x").to_csv("meat.csv", index=False)
    samples = read_samples(table="meat.csv", target="fat", ignore=["moisture"], folds=3)
    assert samples.X.shape == (24, 21) and samples.x_axis is None
    assert "21 numeric columns are the channels" in samples.notes[0]
    assert read_samples(table="meat.csv", target="fat", folds=3).X.shape == (24, 22)


def test_a_pool_without_an_axis_is_read_by_the_names_of_the_channels():
    named = {name: f"A{name}" for name in make_table().columns[1:-1]}
    table, pool = (make_table(seed=seed).rename(columns=named) for seed in (0, 1))
    table.to_csv("meat.csv", index=False)
    pool[pool.columns[::-1]].to_csv("pool.csv", index=False)
    samples = read_samples(table="meat.csv", target="fat", pool="pool.csv", folds=3)
    np.testing.assert_array_equal(samples.pool, pool[list(named.values())])


HEAD = "sample,850,852,854,fat\n"
ROWS = "".join(f"S{i},{i}.1,{i % 3}.2,0.{i},{i % 5}.5\n" for i in range(9))
BAD_TABLES = {
    "text in a spectrum": (
        HEAD + ROWS + "S9,1.5,n.d.,3,4\n",
        ["bad.csv, line 11, column '852': 'n.d.' is not a number"],
    ),
    "a gap in a spectrum": (
        HEAD + "S9,1.5,,3,4\n" + ROWS,
        [
            "bad.csv, line 2, column '852' is empty",
            "1 of 10 spectra have gaps. Fill them in",
        ],
    ),
    "NaN in a spectrum": (
        HEAD + ROWS + "\nS9,1.5,2,NaN,4\n",
        ["bad.csv, line 12, column '854' is empty"],
    ),
    "infinity in a spectrum": (
        HEAD + ROWS + "S9,1.5,2,inf,4\n",
        ["bad.csv, line 11, column '854': the value is infinite"],
    ),
    "text in the target": (
        HEAD + ROWS + "S9,1.5,2,3,<0.1\n",
        ["bad.csv, line 11, column 'fat': '<0.1' is not a number"],
    ),
    "a short row": (
        HEAD + ROWS + "S9,1.5,2\n",
        ["bad.csv, line 11 has 3 cells", "first line names 5 columns"],
    ),
    "a long row": (
        HEAD + ROWS + "S9,1.5,2,3,4,5,6\n",
        ["bad.csv, line 11 has 7 cells", "first line names 5 columns"],
    ),
    "words above the table": (
        "Instrument,NIR 5000\n" + HEAD + ROWS,
        ["line 2 has 5 cells", "names 2 columns. Delete what stands above the table."],
    ),
    "no such column": (
        HEAD.replace("fat", "Fatt") + ROWS,
        ["bad.csv has no column 'fat'", "Nearest: 'Fatt'"],
    ),
    "two columns of one name": (
        HEAD.replace("sample", "fat") + ROWS,
        ["bad.csv has 2 columns named 'fat'"],
    ),
    "a repeated axis value": (
        HEAD.replace("854", "850.0") + ROWS,
        ["bad.csv has two columns for the channel at 850: '850' and '850.0'"],
    ),
    "an axis that turns": (
        HEAD.replace("854", "851") + ROWS,
        ["rise or fall", "'851' follows '852'"],
    ),
    "no numeric columns": (
        "sample,note,fat\nS1,a,1\nS2,b,2\nS3,c,3\n",
        ["bad.csv must have at least 2 numeric columns", "Got none"],
    ),
    "one channel": (
        "sample,850,fat\nS1,1,1\nS2,2,2\nS3,3,3\n",
        ["at least 2 numeric columns", "Got only one, '850'"],
    ),
    "too few reference values": (
        HEAD + "A,1,2,3,4\nB,2,3,4,5\nC,1,2,3,\nD,5,6,7,\n",
        ["3 folds need at least 3 reference values of 'fat' in bad.csv. Got 2"],
    ),
    "no rows": (HEAD, ["need at least 3 reference values", "Got 0"]),
    "one reference value for all": (
        HEAD + "".join(f"S{i},{i},2,{i},7.5\n" for i in range(9)),
        ["All 9 values of 'fat' in bad.csv are 7.5"],
    ),
    "nothing": ("", ["bad.csv, line 1 is empty"]),
    "a workbook": ("PK\x03\x04", ["bad.csv is a workbook", "save it as CSV"]),
    "a binary file": ("a\x00b", ["bad.csv is neither text (CSV, TSV), nor"]),
    "a torn parquet file": ("PAR1...", ["arquet"]),
}


@pytest.mark.parametrize("text, words", BAD_TABLES.values(), ids=list(BAD_TABLES))
def test_a_bad_table_is_refused_in_one_line(text, words, tmp_path, never_fitted):
    (tmp_path / "bad.csv").write_text(text)
    assert refused(compare("bad.csv --target fat"), *words)
    assert not (tmp_path / "skspectra-compare").exists()


BAD_ARGUMENTS = {
    "a missing file": ("none.csv --target fat", ["none.csv: No such file"]),
    "a folder": (". --target fat", [". is a folder", "read_spectra"]),
    "no target": ("good.csv", ["good.csv needs --target"]),
    "no such group column": (
        "good.csv --target fat --groups simple",
        ["good.csv has no column 'simple'", "Nearest: 'sample'"],
    ),
    "no such column to ignore": (
        "good.csv --target fat --ignore moisture",
        ["good.csv has no column 'moisture' to ignore"],
    ),
    "too few groups": (
        "good.csv --target fat --groups batch",
        ["3 folds need at least 3 groups with values of 'fat'", "Got 2"],
    ),
    "a target without a table": ("--target fat", ["--target needs a TABLE"]),
    "a table and a data set": (
        "good.csv --target fat --dataset tecator",
        ["a TABLE or --dataset, not both"],
    ),
    "a pool on another axis": (
        "good.csv --target fat --pool shifted.csv",
        ["shifted.csv has 3 channels from 851 to 855", "largest difference is 1"],
    ),
    "a pool of other channels": (
        "good.csv --target fat --pool shorter.csv",
        ["shorter.csv has 2 channels", "good.csv has 3 channels from 850 to 854"],
    ),
    "a pool without an axis": (
        "good.csv --target fat --pool named.csv",
        ["No column name of named.csv is a number"],
    ),
    "a pool of copies": (
        "good.csv --target fat --pool good.csv",
        ["at least 2 spectra that are no copies", "Got 0"],
    ),
    "a folder that cannot be made": (
        "good.csv --target fat --out good.csv/out",
        ["--out good.csv/out is not writable"],
    ),
}


@pytest.mark.parametrize(
    "arguments, words", BAD_ARGUMENTS.values(), ids=list(BAD_ARGUMENTS)
)
def test_bad_arguments_are_refused_in_one_line(
    arguments, words, tmp_path, never_fitted
):
    head, rows = HEAD.replace("fat", "fat,batch"), ROWS.splitlines()
    rows = "".join(f"{row},B{i % 2}\n" for i, row in enumerate(rows))
    (tmp_path / "good.csv").write_text(head + rows)
    pools = {
        "shifted": "851,853,855\n1,2,3\n4,5,6\n",
        "shorter": "850,852\n1,2\n4,5\n",
        "named": "a,b,c\n1,2,3\n4,5,6\n",
    }
    for name, text in pools.items():
        (tmp_path / f"{name}.csv").write_text(text)
    assert refused(compare(arguments), *words)


def test_a_write_protected_folder_is_refused_before_the_fits(
    tmp_path, never_fitted, monkeypatch
):
    def refuse(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    make_table().to_csv("meat.csv", index=False)
    (tmp_path / "locked").mkdir()
    # Not by its mode: the superuser may write to every folder.
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    result = compare(f"{MEAT} --out locked")
    assert refused(result, "--out locked is not writable: Permission denied")


def test_a_missing_package_is_answered_with_the_command_that_installs_it(
    monkeypatch, never_fitted
):
    from skspectra.datasets import _real

    monkeypatch.setattr(_real, "find_spec", lambda package: None)
    assert refused(compare(""), "pip install 'skspectra[data]'")


def test_parquet_without_pyarrow_is_answered_with_the_command_that_installs_it(
    monkeypatch, never_fitted
):
    make_table().to_parquet("meat.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = compare("meat.parquet --target fat")
    assert refused(result, "pip install 'skspectra[parquet]'")


def test_the_default_is_fat_in_meat_with_whole_meats_held_out():
    result = compare("--quick --folds 2", "--epochs 1 --pretrain-epochs 1 --jobs 1")
    assert result.exit_code == 0, result.output
    assert "source: tecator, target: fat in % of mass" in result.stderr
    assert "groups: 178" in result.stderr
    assert "Means over 2 grouped folds, 215 tested rows" in result.stdout


def test_what_is_given_wins_over_quick():
    make_table().to_csv("meat.csv", index=False)
    tiny = "--folds 2 --epochs 1 --pretrain-epochs 1 --jobs 1"
    assert compare(f"{MEAT} --quick", tiny).exit_code == 0
    options = read_settings()["options"]
    assert (options["folds"], options["repeats"], options["epochs"]) == (2, 1, 1)


def test_the_fermentation_comes_without_its_noise_and_with_its_pool():
    samples = read_samples(dataset="fermentation", folds=5)
    data = load_fermentation()
    assert len(samples.y) == 21 and samples.pool.shape[1] == samples.X.shape[1]
    assert len(samples.pool) == len(data.pool)
    assert samples.x_axis.min() >= 900 and samples.x_axis.max() <= 1780
    assert np.abs(samples.pool).max() < 10


def test_an_unexpected_error_keeps_its_traceback(monkeypatch):
    def crash(*args, **kwargs):
        raise KeyError("not the user's fault")

    monkeypatch.setattr(skspectra.evaluation, "compare", crash)
    make_table().to_csv("meat.csv", index=False)
    result = compare(MEAT)
    assert result.exit_code == 1
    assert result.exception.args == ("not the user's fault",)


def test_a_refusal_leaves_the_standard_output_of_the_process_empty():
    command = [*PROGRAM, "compare", "none.csv", "--target", "fat"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 3
    assert result.stdout == ""
    assert result.stderr == "Error: none.csv: No such file or directory.\n"


@pytest.fixture
def interruptible():
    """Let processes be interrupted; a shell starts its background deaf to that."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_run_ends_quietly_with_code_130():
    make_table().to_csv("meat.csv", index=False)
    with subprocess.Popen(
        # One job: worker processes that are just starting have their own last words.
        [*PROGRAM, "compare", *MEAT.split(), "--epochs", "100000", "--jobs", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        process.stderr.readline()  # what is compared
        process.stderr.read(10)  # the bar: fits are running
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err and "Aborted" not in err


ASK_FOR_HELP = """
import sys
from skspectra.cli import main
try:
    main(["compare", "--help"])
except SystemExit as leave:
    assert leave.code == 0
heavy = {"torch", "sklearn", "pandas", "matplotlib", "numpy"} & set(sys.modules)
assert not heavy, heavy
"""


def test_help_waits_for_nothing_heavy():
    result = subprocess.run(
        [sys.executable, "-c", ASK_FOR_HELP], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "skspectra compare --quick" in result.stdout
