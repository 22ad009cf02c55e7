"""The main job on real spectra: the table says what the estimators say by hand."""

import numpy as np
from sklearn.base import clone
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from skspectra import InstanceNormalizer, MaskedSpectralPretrainer, SpectralRegressor
from skspectra.evaluation import compare, pls_baseline
from skspectra.metrics import bias, concordance_correlation, rpd, rpiq, sep


def network(max_epochs, strategy="fine_tune"):
    pretrainer = MaskedSpectralPretrainer(
        patch_size=10,
        embed_dim=16,
        depth=1,
        n_heads=2,
        decoder_dim=16,
        decoder_n_heads=2,
        max_epochs=max_epochs,
        random_state=0,
    )
    regressor = SpectralRegressor(
        pretrainer, strategy=strategy, max_epochs=30, random_state=0
    )
    return make_pipeline(InstanceNormalizer(), regressor)


def test_the_table_is_what_the_estimators_give_by_hand(real_spectra):
    meat = real_spectra("tecator")
    X = meat.X.astype(float)
    y = meat.y[:, list(meat.target_names).index("fat")].astype(float)
    estimators = {
        "PLS": pls_baseline(),
        "scratch": network(0),
        "probe": network(30, "probe"),
        "fine-tuned": network(30),
    }
    splits = list(GroupKFold(3).split(X, y, meat.groups))
    comparison = compare(
        estimators, X, y, cv=splits, groups=meat.groups, reference="PLS"
    )

    by_hand = {}
    for name, estimator in estimators.items():
        folds = []
        for train, test in splits:
            model = clone(estimator)
            step = "" if name == "PLS" else "spectralregressor__"
            model.fit(X[train], y[train], **{step + "groups": meat.groups[train]})
            predicted = model.predict(X[test])
            measured = y[test]
            folds.append(
                {
                    "rmsep": root_mean_squared_error(measured, predicted),
                    "bias": bias(measured, predicted),
                    "sep": sep(measured, predicted),
                    "r2": r2_score(measured, predicted),
                    "rpd": rpd(measured, predicted),
                    "rpiq": rpiq(measured, predicted),
                    "ccc": concordance_correlation(measured, predicted),
                }
            )
            held_out = comparison.predictions.set_index("row").loc[test, name]
            np.testing.assert_allclose(held_out, predicted, rtol=1e-6)
        by_hand[name] = {key: [fold[key] for fold in folds] for key in folds[0]}

    for name, figures in by_hand.items():
        for key, values in figures.items():
            np.testing.assert_allclose(
                comparison.table.loc[name, key], np.mean(values), rtol=1e-5
            )
        logs = np.log(figures["rmsep"]) - np.log(by_hand["PLS"]["rmsep"])
        np.testing.assert_allclose(
            comparison.table.loc[name, "rmsep_ratio"], np.exp(logs.mean()), rtol=1e-5
        )
    ranking = comparison.table["rmsep"].sort_values().index.tolist()
    assert ranking == sorted(by_hand, key=lambda name: np.mean(by_hand[name]["rmsep"]))
    # Fat bends the relation: every network that reads SNV spectra sees that.
    assert comparison.table.loc["fine-tuned", "r2"] > 0.9
