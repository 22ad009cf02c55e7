"""`skspectra fit` and `skspectra predict`: from a table to predictions, and back."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import root_mean_squared_error

from skspectra import (
    AxisResampler,
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    SpectralRegressor,
    SpectralStackingRegressor,
    load_model,
)
from skspectra.cli import main
from skspectra.datasets import make_nir_mixtures
from skspectra.evaluation import TunedPLS

PROGRAM = [sys.executable, "-m", "skspectra"]
FILES = {"detector.safetensors", "held_out.csv", "model.safetensors", "settings.json"}
NEW = ["prediction", "lower", "upper", "foreign"]
FIT = "fit meat.csv --target fat --groups sample --folds 3"
PLS = f"{FIT} --model pls --out fat"


def make_table(n_samples, n_groups, *, seed=0, start=0):
    """Scans of samples; tables of one seed are of the same components."""
    mixtures = make_nir_mixtures(400, 21, n_groups=400, random_state=seed)
    rows = slice(start, start + n_samples)
    X, names = mixtures.data[rows], [f"{x:g}" for x in mixtures.x_axis]
    table = pd.DataFrame(X, columns=names)
    table.insert(0, "sample", [f"S{i % n_groups:02d}" for i in range(n_samples)])
    return table.assign(fat=mixtures.target[rows])


TABLE = make_table(60, 30)
TABLE.loc[[3, 20, 21], "fat"] = np.nan
LATER = make_table(200, 100, start=60)
CHANNELS = list(TABLE.columns[1:-1])


def spectra(table):
    return table[CHANNELS].set_axis([float(name) for name in CHANNELS], axis=1)


def skspectra(*arguments):
    words = [word for argument in arguments for word in argument.split()]
    return CliRunner().invoke(main, words)


def read(result):
    assert result.exit_code == 0, result.output
    return pd.read_csv(io.StringIO(result.stdout))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A stack that was fitted once, in the folder `fat` beside its table."""
    folder = tmp_path_factory.mktemp("laboratory")
    with contextlib.chdir(folder):
        TABLE.to_csv("meat.csv", index=False)
        LATER.to_csv("later.csv", index=False)
        result = skspectra(f"{FIT} --seed 5 --out fat")
    assert result.exit_code == 0, result.output
    (folder / "said.txt").write_text(result.stdout)
    return folder


@pytest.fixture
def laboratory(folder, monkeypatch):
    """Work beside the fitted stack, which is to be left as it is."""
    monkeypatch.chdir(folder)


@pytest.fixture
def meat(tmp_path, monkeypatch):
    """Work in a new folder with the tables."""
    monkeypatch.chdir(tmp_path)
    TABLE.to_csv("meat.csv", index=False)
    LATER.to_csv("later.csv", index=False)


def labelled():
    return TABLE["fat"].notna()


def test_the_folder_is_all_that_is_needed(folder, tmp_path, monkeypatch):
    assert {path.name for path in (folder / "fat").iterdir()} == FILES
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in FILES:
        (moved / name).write_bytes((folder / "fat" / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    LATER.to_csv("later.csv", index=False)
    assert len(read(skspectra("predict moved later.csv"))) == len(LATER)


def test_predictions_are_those_of_python(laboratory):
    predicted = read(skspectra("predict fat later.csv"))
    model = SpectralStackingRegressor(random_state=5)
    model.fit(spectra(TABLE), TABLE["fat"], groups=TABLE["sample"])
    expected = model.predict(spectra(LATER))
    np.testing.assert_allclose(predicted["prediction"], expected, rtol=1e-7)


def test_what_was_in_other_columns_is_handed_on(laboratory):
    predicted = read(skspectra("predict fat later.csv"))
    assert list(predicted) == ["sample", "fat", *NEW]
    pd.testing.assert_frame_equal(
        predicted[["sample", "fat"]], LATER[["sample", "fat"]]
    )


def test_the_rows_of_several_files_are_told_by_their_files(laboratory, tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    for name, row in (("b", 3), ("a", 7)):
        spectrum = LATER[CHANNELS].iloc[row].rename_axis("nm").to_frame(name)
        spectrum.to_csv(runs / f"{name}.csv")  # one spectrum a file, as a column
    predicted = read(skspectra(f"predict fat {runs}"))
    assert [Path(name).name for name in predicted["file"]] == ["a.csv", "b.csv"]
    expected = read(skspectra("predict fat later.csv"))["prediction"]
    np.testing.assert_allclose(predicted["prediction"], expected[[7, 3]], rtol=1e-6)


def test_tables_on_another_axis_can_be_resampled(laboratory, tmp_path):
    finer = np.linspace(1100, 2500, 141)
    X = AxisResampler(finer).fit_transform(spectra(LATER))
    table = pd.DataFrame(X, columns=[f"{x:g}" for x in finer])
    table.assign(name=LATER["sample"]).to_csv(tmp_path / "finer.csv", index=False)
    command = f"predict fat {tmp_path / 'finer.csv'}"
    refused(skspectra(command), "141", "AxisResampler", "Or add --resample")
    predicted = read(skspectra(f"{command} --resample"))
    expected = read(skspectra("predict fat later.csv"))
    np.testing.assert_allclose(
        predicted["prediction"], expected["prediction"], atol=1e-3
    )
    narrow = table.drop(columns=[f"{x:g}" for x in finer if x < 1200])
    narrow.to_csv(tmp_path / "finer.csv", index=False)
    gaps = "missing in 2 channels, from 1100.0 to 1170.0"
    refused(skspectra(f"{command} --resample"), "NaN", gaps, "--model network")


def test_a_table_that_runs_the_other_way_is_predicted_alike(laboratory, tmp_path):
    table = LATER[["sample", *CHANNELS[::-1]]]
    table.to_csv(tmp_path / "reversed.csv", index=False)
    command = f"predict fat {tmp_path / 'reversed.csv'}"
    refused(skspectra(command), "they are reversed", "add --resample")
    predicted = read(skspectra(f"{command} --resample"))
    expected = read(skspectra("predict fat later.csv"))
    np.testing.assert_allclose(predicted["prediction"], expected["prediction"])


def test_missing_channels_are_for_the_network_alone(meat):
    gaps = LATER.copy()
    gaps.loc[:4, CHANNELS[:5]] = np.nan
    gaps.to_csv("gaps.csv", index=False)
    tiny = "--pretrain-epochs 1 --epochs 1 --device cpu --out net"
    assert skspectra(FIT, "--model network", tiny).exit_code == 0
    result = skspectra("predict net gaps.csv")
    predicted, whole = read(result), read(skspectra("predict net later.csv"))
    assert predicted["foreign"].isna().tolist() == [True] * 5 + [False] * 195
    assert "5 of 200 spectra miss channels" in result.stderr
    assert predicted["prediction"].notna().all()
    pd.testing.assert_frame_equal(predicted[5:], whole[5:], check_dtype=False)
    assert skspectra(PLS).exit_code == 0
    refused(skspectra("predict fat gaps.csv"), "NaN")


def test_rows_without_a_name_are_counted(laboratory, tmp_path):
    LATER[CHANNELS][:3].to_csv(tmp_path / "bare.csv", index=False)
    predicted = read(skspectra(f"predict fat {tmp_path / 'bare.csv'}"))
    assert list(predicted) == ["row", *NEW]
    assert predicted["row"].tolist() == [0, 1, 2]


def test_several_tables_are_predicted_one_after_the_other(laboratory, tmp_path):
    LATER[:3].to_csv(tmp_path / "a.csv", index=False)
    LATER[3:].to_csv(tmp_path / "b.csv", index=False)
    names = " ".join(str(tmp_path / name) for name in ("a.csv", "b.csv"))
    parts = read(skspectra(f"predict fat {names}"))
    whole = read(skspectra("predict fat later.csv"))
    pd.testing.assert_frame_equal(parts.drop(columns="file"), whole)


def test_the_summary_tells_the_error_of_held_out_rows(laboratory):
    known = pd.read_csv("fat/held_out.csv")
    lines = Path("said.txt").read_text().splitlines()
    said = dict(line.split(None, 1) for line in lines)
    rmsecv = root_mean_squared_error(known["measured"], known["predicted"])
    assert float(said["RMSECV"]) == pytest.approx(rmsecv, rel=1e-3)
    assert said["labelled"] == "57" and said["groups"] == "30"
    settings = json.loads(Path("fat/settings.json").read_text())
    assert settings["cross_validation"]["rmsecv"] == pytest.approx(rmsecv)
    assert settings["target"] == "fat"


def test_held_out_rows_were_predicted_without_their_fold(meat):
    assert skspectra(PLS).exit_code == 0
    known = pd.read_csv("fat/held_out.csv")
    assert known["row"].tolist() == TABLE.index[labelled()].tolist()
    assert known["group"].tolist() == TABLE["sample"][labelled()].tolist()
    assert (known.groupby("group")["fold"].nunique() == 1).all()
    for _, part in known.groupby("fold"):
        train = TABLE[labelled()].drop(index=part["row"])
        model = TunedPLS().fit(spectra(train), train["fat"], groups=train["sample"])
        expected = model.predict(spectra(TABLE.loc[part["row"]]))
        np.testing.assert_allclose(part["predicted"], expected, rtol=1e-6)


def test_ranges_are_as_wide_as_the_errors_of_held_out_groups(laboratory):
    known = pd.read_csv("fat/held_out.csv")
    for coverage in (0.5, 0.8, 0.9):
        result = skspectra(f"predict fat later.csv --coverage {coverage}")
        predicted = read(result)
        half = (predicted["upper"] - predicted["lower"]) / 2
        assert np.ptp(half) == pytest.approx(0, abs=1e-5)
        inside = (known["measured"] - known["predicted"]).abs() <= half[0] + 1e-6
        # Groups count alike, and the new one is one more, which is not inside.
        share = inside.groupby(known["group"]).mean().sum() / 31
        assert coverage <= share < coverage + 2 / 31
        middle = (predicted["upper"] + predicted["lower"]) / 2
        np.testing.assert_allclose(middle, predicted["prediction"], rtol=1e-6)


def test_ranges_hold_as_many_new_samples_as_promised(laboratory):
    predicted = read(skspectra("predict fat later.csv --coverage 0.8"))
    inside = (predicted["lower"] < LATER["fat"]) & (LATER["fat"] < predicted["upper"])
    assert 0.75 < inside.mean() < 1  # two thirds of the rows predict somewhat worse


def test_ranges_of_too_few_groups_are_infinite_and_it_is_said(laboratory):
    result = skspectra("predict fat later.csv --coverage 0.99")
    predicted = read(result)
    assert np.isinf(predicted[["lower", "upper"]]).all(axis=None)
    assert "too few rows or groups were held out" in result.stderr


def test_foreign_spectra_are_flagged_and_counted(laboratory, tmp_path):
    ours = read(skspectra("predict fat later.csv"))
    assert ours["foreign"].mean() < 0.15
    make_table(50, 50, seed=1).to_csv(tmp_path / "others.csv", index=False)
    result = skspectra(f"predict fat {tmp_path / 'others.csv'}")
    assert read(result)["foreign"].all()
    assert "50 of 50 spectra are foreign" in result.stderr


def test_a_file_instead_of_the_standard_output(laboratory, tmp_path):
    expected = skspectra("predict fat later.csv").stdout
    command = f"predict fat later.csv --out {tmp_path / 'predicted.csv'}"
    assert skspectra(command).stdout == ""
    assert (tmp_path / "predicted.csv").read_text() == expected
    again = skspectra(command)
    assert again.exit_code == 3 and "--force overwrites it" in again.stderr
    assert skspectra(f"{command} --force").exit_code == 0


def test_the_network_learns_from_rows_without_a_reference_value(meat, monkeypatch):
    seen, fit = [], MaskedSpectralPretrainer.fit

    def watched(self, X, y=None):
        seen.append(len(X))
        return fit(self, X, y)

    monkeypatch.setattr(MaskedSpectralPretrainer, "fit", watched)
    tiny = "--model network --pretrain-epochs 1 --epochs 1 --device cpu --out net"
    result = skspectra(FIT, tiny)
    assert result.exit_code == 0, result.output
    assert seen[-1] == 60 and len(seen) == 4
    assert "Note: SpectralRegressor fine-tunes an encoder on 57" in result.stderr
    assert result.stdout.startswith("model       network\n")
    assert isinstance(load_model("net/model.safetensors")[0], InstanceNormalizer)
    assert len(read(skspectra("predict net later.csv"))) == len(LATER)


@pytest.mark.parametrize("method", ["area", "none"])
def test_an_encoder_serves_the_network_with_its_own_normalising(meat, method):
    train = "--epochs 2 --patch-size 4 --device cpu --quiet --out encoder"
    assert skspectra(f"pretrain later.csv --normalize {method}", train).exit_code == 0
    tiny = "--encoder encoder --epochs 2 --device cpu --seed 4"
    result = skspectra(f"{FIT} --model network {tiny} --out net")
    assert result.exit_code == 0, result.output
    assert "transductive" not in result.stderr
    encoder = load_model("encoder")
    pretrainer = encoder if method == "none" else encoder[-1]
    model = SpectralRegressor(
        FrozenEstimator(pretrainer), max_epochs=2, device="cpu", random_state=4
    )
    X = spectra(TABLE)
    if method != "none":
        X = InstanceNormalizer(method).fit_transform(X)
    model.fit(X, TABLE["fat"], groups=TABLE["sample"])
    later = spectra(LATER)
    if method != "none":
        later = InstanceNormalizer(method).fit_transform(later)
    predicted = read(skspectra("predict net later.csv"))
    np.testing.assert_allclose(predicted["prediction"], model.predict(later), rtol=1e-6)


def test_an_encoder_that_has_seen_the_spectra_is_noted(meat):
    train = "--epochs 1 --patch-size 4 --device cpu --quiet --out encoder"
    assert skspectra("pretrain meat.csv", train).exit_code == 0
    result = skspectra(FIT, "--encoder encoder --out fat")
    assert result.exit_code == 0, result.output
    assert "57 of the 57 spectra held out are among those" in result.stderr
    settings = json.loads(Path("fat/settings.json").read_text())
    assert any("transductive" in note for note in settings["data"]["notes"])
    assert "encoder" in load_model("fat/model.safetensors")[-1].member_names_


def test_channels_without_an_axis_are_found_by_their_names(meat):
    named = {name: f"A{name}" for name in CHANNELS}
    TABLE.rename(columns=named).to_csv("meat.csv", index=False)
    extra = LATER.rename(columns=named).assign(moisture=1.0)
    extra[extra.columns[::-1]].to_csv("later.csv", index=False)
    assert skspectra(PLS).exit_code == 0
    predicted = read(skspectra("predict fat later.csv"))
    assert list(predicted) == ["moisture", "fat", "sample", *NEW]
    model = TunedPLS().fit(
        spectra(TABLE[labelled()]),
        TABLE["fat"][labelled()],
        groups=TABLE["sample"][labelled()],
    )
    expected = model.predict(spectra(LATER))
    np.testing.assert_allclose(predicted["prediction"], expected, rtol=1e-6)


def refused(result, *words, code=3):
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    for word in words:
        assert word in result.stderr.splitlines()[-1]


REFUSED_FITS = {
    "no such column": ("fit meat.csv --target Fat --out x", "no column 'Fat'", 3),
    "no file": ("fit none.csv --target fat --out x", "none.csv: No such file", 3),
    "a file": ("fit meat.csv --target fat --out meat.csv", "is a file", 2),
    "no model": ("fit meat.csv --target fat --encoder meat.csv --out x", "meat.csv", 3),
    "epochs": ("fit meat.csv --target fat --epochs 3 --out x", "--model network", 2),
    "an encoder for PLS": (
        "fit meat.csv --target fat --model pls --encoder e --out x",
        "--encoder is for",
        2,
    ),
    "one group a fold": (
        "fit meat.csv --target fat --groups sample --folds 40 --out x",
        "40 folds need at least 40 groups",
        3,
    ),
}


@pytest.mark.parametrize(
    "command, words, code", REFUSED_FITS.values(), ids=list(REFUSED_FITS)
)
def test_what_cannot_be_fitted_is_refused(meat, command, words, code):
    refused(skspectra(command), words, code=code)
    assert not Path("x", "settings.json").exists()


def test_a_model_that_is_there_is_kept_unless_forced(meat):
    assert skspectra(PLS).exit_code == 0
    before = Path("fat/model.safetensors").read_bytes()
    refused(skspectra(f"{PLS} --seed 1"), "--force overwrites")
    assert Path("fat/model.safetensors").read_bytes() == before
    assert skspectra(f"{PLS} --force").exit_code == 0


def test_an_encoder_of_another_axis_is_refused(meat):
    shifted = {name: f"{float(name) + 30:g}" for name in CHANNELS}
    LATER.rename(columns=shifted).to_csv("shifted.csv", index=False)
    for method in ("standard", "none"):
        train = f"--normalize {method} --epochs 1 --force --quiet"
        assert skspectra("pretrain shifted.csv", train).exit_code == 0
        result = skspectra(FIT, "--encoder encoder.safetensors --out x")
        refused(result, "1100 to 2500", "1130 to 2530")


REFUSED_TABLES = {
    "another axis": (
        LATER.rename(columns={n: f"{float(n) + 30:g}" for n in CHANNELS}),
        ["1130 to 2530", "1100 to 2500"],
    ),
    "fewer channels": (LATER.drop(columns=CHANNELS[:4]), ["17", "21"]),
    "a column of that name": (LATER.assign(lower=1), ["column 'lower'", "Rename it"]),
}


@pytest.mark.parametrize(
    "table, words", REFUSED_TABLES.values(), ids=list(REFUSED_TABLES)
)
def test_tables_that_the_model_cannot_read_are_refused(
    laboratory, tmp_path, table, words
):
    table.to_csv(tmp_path / "table.csv", index=False)
    refused(skspectra(f"predict fat {tmp_path / 'table.csv'}"), *words)


def test_what_is_no_model_is_refused(laboratory, tmp_path):
    for path in ("none", "meat.csv", tmp_path):
        refused(
            skspectra(f"predict {path} later.csv"), "no folder that `skspectra fit`"
        )
    settings = json.loads(Path("fat/settings.json").read_text())
    (tmp_path / "settings.json").write_text(json.dumps(settings | {"format": 2}))
    refused(skspectra(f"predict {tmp_path} later.csv"), "in format 2", "reads format 1")


def test_only_results_go_to_the_standard_output(meat):
    def piped(arguments):
        command = [*PROGRAM, *arguments.split()]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    result = piped(PLS)
    assert "5/5" not in result.stdout and "3/3" in result.stderr
    names = [line.split()[0] for line in result.stdout.splitlines()]
    assert names[:2] == ["model", "target"] and names[-1] == "estimated"
    make_table(60, 30, seed=1).to_csv("others.csv", index=False)
    result = piped("predict fat others.csv")
    assert len(pd.read_csv(io.StringIO(result.stdout))) == 60
    assert "foreign" in result.stderr


def test_a_reader_that_stops_ends_the_command_quietly(laboratory, tmp_path):
    pd.concat([LATER] * 40).to_csv(tmp_path / "many.csv", index=False)
    command = [*PROGRAM, "predict", "fat", str(tmp_path / "many.csv")]
    # Unbuffered, Python takes a part that was written for the whole.
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=buffered, text=True, **pipes) as process:
        assert process.stdout.readline().startswith("sample,fat,prediction")
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 141
    assert "Error" not in said and "Traceback" not in said and "Exception" not in said
