"""The accuracy suite: what it gives to whom, and what it does not do twice."""

import json
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV

from skspectra.datasets import make_nir_mixtures

matplotlib.use("Agg")

_BENCHMARKS = Path(__file__).parents[1] / "examples" / "benchmarks"


class Spy(RegressorMixin, BaseEstimator):
    """Notes what reaches `fit` and `predict`; column 0 of X is the row's number."""

    fitted, predicted = [], []

    def fit(self, X, y, groups=None):
        self.fitted.append((X[:, 0].astype(int), y.copy(), groups))
        self.mean_ = np.nanmean(y)
        return self

    def predict(self, X):
        self.predicted.append(X[:, 0].astype(int))
        return np.full(len(X), self.mean_)


class Failing(Spy):
    """Raises."""

    def fit(self, X, y):
        raise ArithmeticError("no\nsuch number")


@pytest.fixture
def suite(monkeypatch):
    """The script as a module; its companions are imported by their plain names."""
    monkeypatch.syspath_prepend(_BENCHMARKS)
    names = ["accuracy", "accuracy_methods", "accuracy_protocol"]
    names += ["accuracy_report", "accuracy_rivals"]
    import accuracy

    yield accuracy
    for name in names:
        sys.modules.pop(name, None)


def write(folder, name, noise=0.0, grouped=False, seed=0):
    spectra = make_nir_mixtures(n_samples=60, n_channels=40, random_state=seed)
    rng = np.random.default_rng(seed)
    X = spectra.data.copy()
    y = spectra.target.reshape(60, -1)[:, :1] + noise * rng.normal(size=(60, 1))
    y[::10] = np.nan
    arrays = {"X": X, "y": y, "target_names": np.array(["glucose"])}
    if grouped:
        arrays["X"] = np.column_stack([np.arange(60), X])
        arrays["groups"] = np.arange(60) // 3
    np.savez(folder / f"{name}.npz", **arrays)
    (folder / f"{name}.json").write_text(json.dumps({"technique": "FT-NIR"}))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "sets"
    folder.mkdir()
    write(folder, "first")
    write(folder, "second", noise=100.0, seed=1)  # nothing to be learnt
    return folder


def run(suite, folder, *more):
    """Run the script and return its table; `suite.measured` counts the trials."""
    output = folder.parent / "results.csv"
    words = [str(folder), "--cache", str(folder.parent / "cache")]
    words += ["--output", str(output), "--repeats", "2", "--budgets", "20", "all"]
    suite.main([*words, *more])
    return pd.read_csv(output, keep_default_na=False)


@pytest.fixture
def fits(suite, monkeypatch):
    """A list that grows with each trial that is not in the cache."""
    done, measure = [], suite.measure

    def counted(rows, model, file):
        done.append(file)
        return measure(rows, model, file)

    monkeypatch.setattr(suite, "measure", counted)
    return done


def test_a_second_run_does_what_is_new(suite, folder, fits):
    cheap = ["--methods", "PLS", "ridge"]
    once = run(suite, folder, *cheap[:2])
    assert len(once) == len(fits) == 8
    both = run(suite, folder, *cheap)
    assert len(fits) == 16
    again = run(suite, folder, *cheap)
    assert len(fits) == 16
    pd.testing.assert_frame_equal(again, both)
    write(folder, "first", noise=0.01)
    changed = run(suite, folder, *cheap)
    assert len(fits) == 16 + 8
    same = changed["dataset"] == "second"
    pd.testing.assert_frame_equal(changed[same], both[same])
    assert not changed[~same]["rmsep"].equals(both[~same]["rmsep"])
    assert list(folder.parent.glob("cache/*")) and not [
        file for file in folder.parent.glob("cache/*") if file.suffix != ".json"
    ]


def test_what_a_method_rests_on_is_part_of_its_key(suite, folder, fits, monkeypatch):
    run(suite, folder, "--methods", "PLS")
    monkeypatch.setattr(suite, "rests_on", lambda ours: f"another {ours}")
    run(suite, folder, "--methods", "PLS")
    assert len(fits) == 16


def test_only_estimators_of_the_package_rest_on_all_of_its_code(suite, monkeypatch):
    monkeypatch.setattr(suite, "rests_on", lambda ours: asked.append(ours))
    asked = []
    for name in ("PLS", "four stacked", "probe", "fine-tuned"):
        suite.key([], name, suite.METHODS[name].make())
    assert asked == [False, False, True, True]


def test_the_key_is_the_same_in_every_process(suite):
    for name, method in suite.METHODS.items():
        if name not in ("MiniRocket", "TabICL"):
            params = [repr(sorted(method.make().get_params().items())) for _ in "ab"]
            assert params[0] == params[1]
            assert " at 0x" not in params[0]


@pytest.mark.parametrize("uses_pool", [False, True])
def test_test_rows_reach_predict_alone(suite, folder, monkeypatch, uses_pool):
    monkeypatch.setattr(Spy, "fitted", [])
    monkeypatch.setattr(Spy, "predicted", [])
    monkeypatch.setitem(
        suite.METHODS,
        "spy",
        suite.METHODS["PLS"]._replace(make=Spy, uses_pool=uses_pool),
    )
    for path in folder.glob("*"):
        path.unlink()
    write(folder, "grouped", grouped=True)
    with np.load(folder / "grouped.npz") as arrays:
        known, groups = ~np.isnan(arrays["y"][:, 0]), arrays["groups"]
    table = run(suite, folder, "--methods", "spy")
    assert len(Spy.fitted) == len(Spy.predicted) == len(table) == 4
    for (rows, y, passed), tested, counts in zip(
        Spy.fitted, Spy.predicted, table.itertuples(), strict=True
    ):
        assert not set(groups[rows]) & set(groups[tested])
        assert known[tested].all()
        assert (~np.isnan(y)).sum() == counts.n_labelled
        assert np.isnan(y).sum() == (counts.n_pool if uses_pool else 0)
        # Groups are numbered anew, and none is lost or joined.
        pairs = set(zip(passed.tolist(), groups[rows].tolist(), strict=True))
        assert len(pairs) == len(set(passed)) == len(set(groups[rows]))


def test_a_method_that_fails_costs_the_others_nothing(
    suite, folder, monkeypatch, capsys
):
    method = suite.METHODS["PLS"]._replace(make=Failing)
    monkeypatch.setitem(suite.METHODS, "failing", method)
    table = run(suite, folder, "--methods", "PLS", "failing")
    failed = table["method"] == "failing"
    assert (table[failed]["error"] == "ArithmeticError: no such number").all()
    assert (table[~failed]["error"] == "").all()
    said = capsys.readouterr().out
    assert "8 of 16 trials failed" in said
    assert "failing: first/glucose, repeat 0, 20: ArithmeticError" in said


def test_a_set_without_signal_is_a_control(suite, folder, capsys):
    docs = folder.parent / "docs"
    run(suite, folder, "--methods", "PLS", "ridge", "kernel ridge", "--docs", str(docs))
    said = capsys.readouterr().out
    assert "A clear win asks for a look." in said
    weak = pd.read_csv(docs / "controls.csv")
    assert set(weak["dataset"]) == {"second"}
    summary = pd.read_csv(docs / "summary.csv", index_col="method")
    assert (summary["n_datasets"] == 1).all()
    assert summary.loc["PLS", "ratio"] == 1
    assert (docs / "ratios_kernel_ridge.png").exists()


@pytest.mark.parametrize(
    "technique, kind",
    [
        ("FTIR-ATR MIR", "MIR"),
        ("FTIR milk (MilkoScan FT6000)", "MIR"),
        ("FT-NIR", "NIR"),
        ("NIT (Infratec)", "NIR"),
        ("vis-NIR-SWIR (ASD)", "vis-NIR"),
        ("EDXRF (portable, Rh tube)", "XRF"),
        ("Raman", "Raman"),
        ("", "other"),
    ],
)
def test_techniques_have_a_modality(suite, technique, kind):
    from accuracy_report import modality

    assert modality(technique) == kind


def test_rivals_fit_few_rows_of_two_groups(suite):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 30)).cumsum(axis=1)
    y = X[:, 5] - X[:, 20]
    for groups in (None, np.repeat([0, 1], 6), np.zeros(12)):
        for name in ("ridge", "kernel ridge", "Gaussian process", "four stacked"):
            model = suite.fit(suite.METHODS[name].make(), X, y, groups)
            assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_one_decomposition_finds_the_penalty_of_a_grid_search(suite, kernel):
    from accuracy_rivals import KernelRidgeCV, folds

    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 8))
    y = X[:, 0] + X[:, 1] ** 2 + 0.3 * rng.normal(size=40)
    found = KernelRidgeCV(kernel, widths=(1.0,)).fit(X, y)
    grid = GridSearchCV(
        KernelRidge(kernel="precomputed"),
        {"alpha": found.alphas},
        cv=folds(X, None),
        scoring="neg_mean_squared_error",
    )
    grid.fit(found._compare(found.X_, found.width_), y - y.mean())
    assert found.alpha_ == grid.best_params_["alpha"]


def test_a_short_task_has_few_rows_and_channels_and_the_same_means(suite):
    from accuracy_protocol import Task

    X = np.arange(300 * 1100, dtype=float).reshape(300, 1100)
    task = Task("set", "target", "NIR", X, X[:, 0], np.arange(300) // 5)
    short = suite.shortened(task)
    assert short.X.shape == (100, 366)  # threes of channels; the last two are cut
    np.testing.assert_allclose(short.X[0], X[0, :1098].reshape(-1, 3).mean(axis=1))
    np.testing.assert_array_equal(short.X[:, 0] - 1, short.y)
    assert short.y[[0, -1]].tolist() == X[[0, -1], 0].tolist()
    assert len(np.unique(short.groups)) == 60
