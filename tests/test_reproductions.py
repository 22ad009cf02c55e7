"""The reproductions of published systems, each in the smallest form that runs."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from skspectra.nn import MaskedAutoencoder, SpectralEncoder

_EXAMPLES = Path(__file__).parents[1] / "examples"


def load_script(name):
    """Import a script of the examples by its path."""
    spec = importlib.util.spec_from_file_location(name, _EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_TINY_SMA = dict(pool=80, embed_dim=8, depth=1, steps=8, tune_steps=2, batch=32)


@pytest.fixture(scope="module")
def sma():
    return load_script("reproduce_sma")


def test_sma_runs_every_arm_on_the_same_rows_with_the_same_number_of_steps(sma):
    arms = (*sma.MASKED, *sma.ODD, *sma.OTHER)
    runs = [sma.run("breast_cancer", arm, 0, _TINY_SMA, "cpu") for arm in arms]
    runs = pd.concat(runs)
    networks = runs[~runs["arm"].isin(["linear", "constant"])]
    assert set(networks["read_out"]) == {"probe", "fine_tune"}
    assert set(runs["n_labels"]) == {30, 80}
    assert (runs.groupby("arm")["n_test"].first() == 80).all()
    steps = networks.groupby("arm")["n_steps"].first()
    assert steps.pop("scratch") == 0
    assert steps.nunique() == 1
    # Other masks, other weights: no two arms are the same network.
    assert networks.groupby("arm")["score"].first().nunique() == len(steps) + 1
    # Two classes that a linear model tells apart: the constant one is far behind.
    error = runs[runs["n_labels"] == 80].groupby("arm")["error"].first()
    assert error["linear"] < 0.5 * error["constant"]
    summary = sma.summarise(runs)
    assert list(summary) == ["data", "labels", "read_out", *arms]
    assert len(summary) == 5  # two read-outs of few labels and of all, rebuilding


def test_sma_few_labels_come_first_and_hold_all_classes(sma):
    split = sma.load("digits", 0, 400)
    assert split.labelled == [50, 200, 400]
    counts = np.bincount(split.y[0][:50], minlength=10)
    assert counts.min() >= 3
    first, second = sma.load("tecator", 0, 400), sma.load("tecator", 1, 400)
    assert not set(map(tuple, first.raw[0])) & set(map(tuple, first.raw[1]))
    assert not np.array_equal(first.y[1], second.y[1])


def made_up_runs(ratio, noise, n_seeds=6):
    """Errors of two arms on every set, those of guided masks `ratio` times as large."""
    rng = np.random.default_rng(0)
    rows = []
    for name in ("tecator", "infrared", "digits", "breast_cancer"):
        for seed in range(n_seeds):
            for read_out in ("probe", "fine_tune"):
                error = rng.uniform(0.1, 0.5)
                guided = error * ratio * np.exp(noise * rng.standard_normal())
                for arm, value in (("random", error), ("self_guided", guided)):
                    rows.append([name, arm, seed, read_out, 30, value, 300, 100])
    columns = ["data", "arm", "seed", "read_out", "n_labels", "error"]
    return pd.DataFrame(rows, columns=[*columns, "n_train", "n_test"])


@pytest.mark.parametrize(
    ("ratio", "noise", "expected"),
    [
        (0.8, 0.02, "held"),
        (1.25, 0.02, "did not hold"),
        (1.0, 0.3, "not shown"),
    ],
)
def test_sma_claims_follow_from_the_errors(sma, ratio, noise, expected):
    ratios = sma.compare_arms(made_up_runs(ratio, noise))
    sentences = sma.judge_claims(ratios, pd.DataFrame(columns=["ratio"]))
    assert len(sentences) == 2  # nothing is said of arms that did not run
    assert all(f": {expected}.**" in sentence for sentence in sentences)
    if noise < 0.1:
        assert ratios["error_ratio"].to_numpy() == pytest.approx(ratio, rel=0.05)


def test_sma_a_claim_that_holds_on_some_sets_holds_in_part(sma):
    assert sma.verdict([0.7, 0.9, 0.9, 0.9], [0.9, 1.1, 1.1, 1.1]) == "held in part"
    assert sma.verdict([0.7, 0.7, 0.7, 1.1], [0.9, 0.9, 0.9, 1.3]) == "held in part"
    assert sma.verdict([0.7, 1.1], [0.9, 1.2]) == "did not hold"
    assert sma.verdict([0.7, 0.7, 0.9], [0.9, 0.9, 1.1]) == "held"
    cost = {"model": ["a", "b"], "precision": "float32", "device": "cpu"}
    for low, high, expected in (
        (1.0, 1.04, "held"),
        (1.1, 1.2, "held in part"),
        (1.0, [1.1, 1.1], "not shown"),
        ([1.1, 1.1], [1.2, 1.2], "did not hold"),
    ):
        low, high = ([1.0, x] if isinstance(x, float) else x for x in (low, high))
        table = pd.DataFrame(
            {**cost, "ratio": low, "ratio_low": low, "ratio_high": high}
        )
        (sentence,) = sma.judge_claims(pd.DataFrame(columns=["other", "data"]), table)
        assert f": {expected}.**" in sentence


@pytest.fixture(scope="module")
def spektron():
    return load_script("reproduce_spektron")


@pytest.fixture(scope="module")
def tiny_spektron(spektron):
    setting = spektron.Setting(
        n_channels=121,
        widths=(2, 6, 20),
        n_pool=96,
        n_labels=(4, 20, 96),
        n_test=60,
        n_identified=8,
        embed_dim=16,
        depth=1,
        n_steps=300,
        n_entropic_steps=2,
        batch_size=32,
        fine_tune_steps=2,
        seeds=3,
    )
    return setting, spektron.draw_molecules(setting, 0)


def test_spektron_masks_in_the_loss_alone_are_the_easier_task(spektron, tiny_spektron):
    setting, molecules = tiny_spektron
    runs = pd.DataFrame(
        row
        for arm in ("base", "loss only", "scratch")
        for row in spektron.run_arm(arm, 0, setting, molecules, "cpu", True)
    )
    counts = runs.groupby(["arm", "head"]).size().unstack()
    assert (counts[["pretraining", "identification"]] == 1).all(axis=None)
    assert (counts[["embedding", "token probe", "fine-tuned"]] == 3).all(axis=None)
    trained = runs[runs["head"] == "pretraining"].set_index("arm")
    # What is seen can be copied; what is hidden has to be guessed from the rest.
    loss = trained["training_loss"]
    assert loss["loss only"] < 0.5 * loss["base"]
    assert trained["hidden_r2"].idxmax() == "base"
    assert (trained["max_epochs"] == [100, 100, 0]).all()


def test_spektron_controls_share_the_test_and_one_knows_nothing(
    spektron, tiny_spektron
):
    setting, molecules = tiny_spektron
    runs = pd.DataFrame(spektron.classify_spectra(0, setting, molecules))
    every = runs[runs["n_labels"] == 96].set_index("arm")["average_precision"]
    labels = molecules["Y"][-60:]
    assert every["always yes"] == pytest.approx(labels.mean())
    assert every["spectra"] > every["always yes"] + 0.1
    table = spektron.summarise(runs, "labels", setting.n_labels)
    assert list(table["arm"]) == ["spectra", "always yes"]
    assert {"AP at 4", "AP at 20", "F1 at 96"} < set(table.columns)


def test_spektron_both_encoders_are_of_one_size(spektron, tiny_spektron):
    first, second = spektron.check_parameter_counts(tiny_spektron[0])
    assert first == pytest.approx(second, rel=0.1)


def test_spektron_a_fixed_mask_belongs_to_its_spectrum(spektron):
    encoder = SpectralEncoder(
        40,
        patch_size=4,
        embed_dim=4,
        depth=1,
        n_heads=1,
        positions="learned",
        hidden_tokens="replace",
    )
    autoencoder = MaskedAutoencoder(
        encoder,
        decoder_dim=4,
        decoder_depth=0,
        decoder_n_heads=1,
        positions="learned",
    )
    objective = spektron.FixedMasks(autoencoder, 0.35)
    x = torch.randn(2000, 40, generator=torch.Generator().manual_seed(0))
    mask, ids_keep = objective.draw_mask(x)
    assert (mask.sum(dim=1) == 4).all()  # 3.5 rounds to an even number
    assert (mask.gather(1, ids_keep) == 0).all()
    again, _ = objective.draw_mask(x.flip(0)[:7])
    assert (again == mask.flip(0)[:7]).all()
    # Each token in 40 % of the spectra; 4 standard errors of 2000 draws are .044.
    assert (mask.float().mean(dim=0) - 0.4).abs().max() < 0.044
    # Of the 210 masks all come, and none much more often than another.
    kinds, counts = mask.unique(dim=0, return_counts=True)
    assert len(kinds) == 210
    assert counts.max() < 30


def made_up_spektron(difference, n_seeds=4):
    """Runs in which the base is better than each other arm by so much."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(n_seeds):
        level = rng.uniform(0.3, 0.6)
        for arm in ("base", "narrow", "wide", "fixed"):
            behind = difference.get(arm, 0.0) + 0.002 * rng.standard_normal()
            merit = level - (arm != "base") * behind
            row = {"arm": arm, "seed": seed, "head": "embedding", "n_labels": 100}
            rows.append({**row, "average_precision": merit, "macro_f1": merit})
    return pd.DataFrame(rows).assign(training_loss=np.nan, accuracy=np.nan)


@pytest.mark.parametrize(
    ("difference", "patch", "fixed"),
    [
        ({"narrow": 0.1, "wide": 0.1, "fixed": 0.1}, "held", "held"),
        ({"narrow": 0.1, "wide": -0.1, "fixed": 0.0}, "held in part", "not shown"),
        ({"narrow": 0.0, "wide": -0.1, "fixed": -0.1}, "did not hold", "did not hold"),
        ({"narrow": 0.0, "wide": 0.0, "fixed": 0.0}, "not shown", "not shown"),
    ],
)
def test_spektron_claims_follow_from_paired_differences(
    spektron, difference, patch, fixed
):
    sentences = spektron.judge_claims(made_up_spektron(difference), (1, 10, 100))
    verdicts = [sentence.split(". ")[0] for sentence in sentences]
    # Nothing is said of what did not run.
    assert verdicts == [
        f"**A patch of one band width is best**: {patch}",
        f"**Fresh masks beat fixed ones**: {fixed}",
    ]


def test_spektron_two_seeds_show_nothing(spektron):
    runs = made_up_spektron({"narrow": 0.1, "wide": 0.1, "fixed": 0.1}, n_seeds=2)
    sentences = spektron.judge_claims(runs, (1, 10, 100))
    assert len(sentences) == 2
    assert all("**: not shown. " in sentence for sentence in sentences)


def test_spektron_runs_that_were_done_are_kept_and_not_done_twice(spektron, tmp_path):
    path = tmp_path / "runs.csv"
    rows = [{"arm": arm, "seed": 0, "head": "embedding"} for arm in ("base", "wide")]
    runs = spektron.Runs(path)
    runs.add(rows)
    runs = spektron.Runs(path, keep=True)
    assert runs.hold("wide", 0, fine_tuned=False)
    assert not runs.hold("wide", 0, fine_tuned=True)
    assert not runs.hold("wide", 1, fine_tuned=False)
    runs.add(rows[1:])
    assert list(pd.read_csv(path)["arm"]) == ["base", "wide"]


def test_spektron_a_gain_must_exceed_its_margin(spektron):
    comparison = spektron.Comparison("base", "fixed", margin=0.05)
    for gain, expected in ((0.1, 1), (0.03, -1)):
        runs = made_up_spektron({"fixed": gain})
        verdict, words = spektron.compare_arms(runs, comparison, (1, 10, 100))
        assert verdict == expected
        # Noise of .002 over four seeds moves the mean by .001.
        assert float(words.split()[3]) == pytest.approx(gain, abs=0.005)


@pytest.fixture(scope="module")
def max_script():
    return load_script("reproduce_max")


@pytest.fixture(scope="module")
def tiny_max(max_script, tmp_path_factory):
    setting = max_script.Setting(
        n_channels=256,
        samples_per_core=6,
        cores=(3, 4, 2, 2, 2),
        network=dict(embed_dim=8, depth=1, decoder_dim=8),
        pretraining=dict(batch_size=32),
        steps=(4, 2),
        grid_steps=(2, 2),
        ratios=(0.5, 0.9),
        sizes=("4", "all"),
        seeds=2,
        grid_seeds=2,
    )
    return max_script.Study(setting, tmp_path_factory.mktemp("max"), "cpu")


def test_max_never_pretrains_on_cores_that_it_tests(max_script, tiny_max):
    world = tiny_max.world(0)
    _, narrow = tiny_max.base(0)
    _, wide = tiny_max.base(0, wide=True)
    spectra = max_script.InstanceNormalizer().transform(world.X)
    for pretrainer, parts in (
        (narrow, ["pool", "train"]),
        (wide, ["pool", "train", "shifted pool"]),
    ):
        rows = np.isin(world.part, parts)
        # Counts are float32, and so is what is made of them.
        mean = spectra[rows].mean(axis=0, dtype=float)
        np.testing.assert_allclose(pretrainer.mean_, mean, atol=1e-6)
        tested = world.core[np.isin(world.part, ["same", "shifted"])]
        assert not set(world.core[rows]) & set(tested)
    few, every = (tiny_max.labelled(world, size, 0) for size in ("4", "all"))
    assert (few == every[:4]).all() and len(every) == 4 * 3
    assert set(world.part[every]) == {"train"}


def test_max_a_channel_that_was_constant_is_zero_everywhere(max_script):
    pool, new = np.array([[1.0, 0.0], [3.0, 0.0]]), np.array([[5.0, 7.0]])
    found = max_script.normaliser("channel", pool).transform(new)
    np.testing.assert_array_equal(found, [[3.0, 0.0]])


def test_max_runs_every_part_and_reports_it(max_script, tiny_max, tmp_path, capsys):
    parts = list(max_script.RUNS)
    max_script.run_all(tiny_max, parts, 1, tmp_path)
    runs = max_script.read(tmp_path, parts)
    assert [len(runs[part]) for part in parts] == [96, 120, 32, 8]
    labels = runs["labels"].query("size == 'all'")
    assert labels.groupby(["arm", "cores", "target"]).seed.nunique().eq(2).all()
    mean = labels[labels.arm == "mean"]
    assert (mean.r2 <= 0).all()  # a constant explains nothing of other cores
    assert runs["saliency"]["times chance"].gt(0).all()
    max_script.report(runs, tmp_path)
    printed = capsys.readouterr().out
    for name in ("grid", "labels", "zero_shot", "saliency", "split"):
        assert len(pd.read_csv(tmp_path / f"max_{name}.csv"))
        assert f"\n{name}\n" in printed
    claims = (tmp_path / "max_claims.rst").read_text(encoding="utf-8").splitlines()
    assert len(claims) == 11 and all(claim.startswith("- ") for claim in claims)


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [(0.1, "held"), (-0.1, "did not hold"), (0.0, "not shown")],
)
def test_max_claims_follow_from_paired_differences(max_script, ahead, expected):
    rng = np.random.default_rng(0)
    rows = []
    for seed, ratio, target in max_script.product(
        range(5), (0.1, 0.5), ("CaCO3", "TOC")
    ):
        level = np.random.default_rng(seed).uniform()  # of a seed: pairing removes it
        for name in ("instance", "channel", "log"):
            best = (ratio == 0.5) + (name == "instance")
            r2 = level + ahead * best + 0.001 * rng.standard_normal()
            rows.append([seed, name, ratio, "fine-tuned", target, "same", r2])
    columns = ["seed", "normalisation", "ratio", "arm", "target", "cores", "r2"]
    grid = pd.DataFrame(rows, columns=columns)
    found = {
        claim[:10]: verdict for claim, verdict, _ in max_script.claims({"grid": grid})
    }
    assert found == {"Hiding 50 ": expected, "Standardis": expected}


def test_max_a_claim_needs_seeds_and_all_its_cases(max_script):
    assert max_script.verdict([0.5]) == "not shown"
    assert max_script.verdict([0.5, 0.5, 0.6]) == "held"
    # A mean of .53 is 8 standard errors above .28 and not above .5.
    assert max_script.verdict(np.array([0.5, 0.5, 0.6]) - 0.5) == "not shown"
    assert max_script.together(["held", "held"]) == "held"
    assert max_script.together(["held", "did not hold"]) == "held in part"
    assert max_script.together(["not shown", "did not hold"]) == "did not hold"
    table = {"10": np.array([1, 3]), "50": np.array([0, 1]), "all": np.array([4, 5])}
    table = pd.DataFrame(table)
    other = pd.Series([1, 1])
    assert max_script.first_ahead(table, list(table), other) == "from all labels on"
    assert max_script.first_ahead(table, list(table), other - 1) == "from 10 labels on"
    assert max_script.first_ahead(table, list(table), other + 9) == "never"
