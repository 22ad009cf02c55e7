"""MaskedSpectralPretrainer: it learns, it tells the truth, it refuses nonsense."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupShuffleSplit
from sklearn.pipeline import make_pipeline

from skspectra import InstanceNormalizer, MaskedSpectralPretrainer
from skspectra.datasets import make_nir_mixtures
from skspectra.nn import ReconstructionObjective

HOW = [
    dict(hidden_tokens="drop"),
    dict(hidden_tokens="replace"),
    dict(encoder="state_space", hidden_tokens="replace"),
    dict(masking="self_guided"),
    dict(masking="block", block_width=16, mask_ratio=(0.3, 0.6)),
    dict(loss="mse+wasserstein"),
]


def small(**parameters):
    defaults = dict(
        patch_size=8,
        embed_dim=16,
        depth=1,
        n_heads=2,
        decoder_dim=16,
        decoder_n_heads=2,
        max_epochs=3,
        random_state=0,
    )
    return MaskedSpectralPretrainer(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def X():
    return make_nir_mixtures(n_samples=90, n_channels=52, random_state=0).data


@pytest.fixture(scope="module")
def fitted(X):
    return small().fit(X)


def interpolate(X, hidden):
    """Draw straight lines across the hidden channels of each spectrum."""
    channels = np.arange(X.shape[1])
    return np.array(
        [
            np.interp(channels, channels[~gone], x[~gone])
            for x, gone in zip(X, hidden, strict=True)
        ]
    )


def check_it_learns(X_train, X_test, **parameters):
    pretrainer = small(depth=2, random_state=0, **parameters).fit(X_train)
    scratch = clone(pretrainer).set_params(max_epochs=0).fit(X_train)
    X_hat, hidden = pretrainer.reconstruct(X_test).values()
    error = np.mean((X_hat - X_test)[hidden] ** 2)
    line = np.mean((interpolate(X_test, hidden) - X_test)[hidden] ** 2)
    mean = np.mean((pretrainer.mean_ - X_test)[hidden] ** 2)
    assert error < line
    assert error < mean
    assert pretrainer.score(X_test) > max(0, scratch.score(X_test), 1 - line / mean)
    assert pretrainer.loss_curve_[-1] < 0.5 * pretrainer.loss_curve_[0]


@pytest.mark.parametrize("options", HOW, ids=str)
def test_pretraining_beats_mean_and_interpolation_on_mixtures(options):
    X = make_nir_mixtures(n_samples=400, n_channels=100, random_state=0).data
    check_it_learns(X[:300], X[300:], max_epochs=150, lr=3e-3, **options)


@pytest.mark.parametrize("options", HOW[:3], ids=str)
def test_pretraining_beats_mean_and_interpolation_on_real_spectra(
    real_spectra, options
):
    meat = real_spectra("tecator")
    split = GroupShuffleSplit(n_splits=1, test_size=0.25, random_state=0)
    train, test = next(split.split(meat.X, groups=meat.groups))
    check_it_learns(meat.X[train], meat.X[test], max_epochs=100, lr=3e-3, **options)


def test_predicting_the_training_mean_scores_zero(X):
    pretrainer = small(max_epochs=0).fit(X)
    with torch.no_grad():  # a decoder that always says 0: the mean spectrum
        pretrainer.module_.to_patch.weight.zero_()
        pretrainer.module_.to_patch.bias.zero_()
    assert pretrainer.score(X) == pytest.approx(0, abs=1e-12)
    assert pretrainer.score_samples(X).mean() == pytest.approx(-1)


def test_score_is_what_score_samples_says(fitted, X):
    x = (X[:20] - fitted.mean_) / fitted.scale_
    expected = 1 + fitted.score_samples(X[:20]).mean() / np.mean(x**2)
    assert fitted.score(X[:20]) == pytest.approx(expected, rel=1e-6)


def test_scores_are_repeatable_and_do_not_depend_on_how_many_are_hidden(fitted, X):
    other = small(mask_ratio=0.2, max_epochs=0).fit(X)
    assert fitted.score(X) == fitted.score(X)
    # The same weights score the same, whatever mask_ratio was.
    other.module_ = fitted.module_
    assert other.score(X) == fitted.score(X)


def test_foreign_spectra_score_low(X):
    pretrainer = small(max_epochs=60, lr=3e-3).fit(X[:70])
    foreign = X[70:] + 0.3 * np.sin(np.arange(X.shape[1]))
    assert (
        pretrainer.score_samples(foreign).max() < pretrainer.score_samples(X[70:]).min()
    )


# Sets of the same channels: fodder and soils, soils of the Arctic and others, meat and
# wheat. The distance to the mean spectrum tells these apart as well.
@pytest.mark.parametrize(
    "own, foreign",
    [
        ("forages2", "nirsoil"),
        ("soil_arctic", "nirsoil"),
        ("tecator", "wheat_kernels"),
    ],
)
def test_real_spectra_of_another_kind_score_low(real_spectra, own, foreign):
    own, foreign = (
        InstanceNormalizer().fit_transform(real_spectra(name).X.astype(float))
        for name in (own, foreign)
    )
    rows = np.random.default_rng(0).permutation(len(own))
    train, test = own[rows[: len(own) // 2]], own[rows[len(own) // 2 :]]
    pretrainer = small(patch_size=-(-own.shape[1] // 20), max_epochs=30, lr=3e-3)
    pretrainer.fit(train)
    scores = pretrainer.score_samples(np.vstack([test, foreign]))
    assert np.isfinite(scores).all()
    ours = np.arange(len(scores)) < len(test)
    assert roc_auc_score(ours, scores) > 0.9


def test_reconstruct_rebuilds_the_hidden_channels_and_keeps_the_others(fitted, X):
    hidden = np.zeros(X.shape[1], dtype=bool)
    hidden[[9, 50]] = True  # one channel of the second patch, one of the last
    rebuilt = fitted.reconstruct(X, hidden=hidden)
    expected = np.zeros(X.shape[1], dtype=bool)
    expected[8:16] = expected[48:52] = True
    assert (rebuilt.hidden == expected).all()
    np.testing.assert_allclose(rebuilt.reconstruction[:, ~expected], X[:, ~expected])
    assert (rebuilt.reconstruction[:, expected] != X[:, expected]).all()
    # The hidden channels are not looked at.
    disturbed = np.where(expected, 7.0, X)
    again = fitted.reconstruct(disturbed, hidden=hidden)
    assert (
        again.reconstruction[:, expected] == rebuilt.reconstruction[:, expected]
    ).all()


def test_reconstruct_takes_another_mask_for_each_spectrum(fitted, X):
    hidden = np.zeros((3, X.shape[1]), dtype=bool)
    hidden[0, :8] = True
    hidden[1, :24] = True
    together = fitted.reconstruct(X[:3], hidden=hidden)
    for i in range(3):
        alone = fitted.reconstruct(X[i : i + 1], hidden=hidden[i])
        np.testing.assert_allclose(
            together.reconstruction[i], alone.reconstruction[0], rtol=1e-10
        )
    np.testing.assert_allclose(together.reconstruction[2], X[2], rtol=1e-5)


@pytest.mark.parametrize("mask_ratio, expected", [(0.5, 4), (0.3, 2), (0.01, 1)])
def test_drawn_masks_hide_the_rounded_number_of_patches(X, mask_ratio, expected):
    pretrainer = small(mask_ratio=mask_ratio, max_epochs=0).fit(X[:, :56][:, :48])
    hidden = pretrainer.reconstruct(X[:, :48]).hidden.reshape(len(X), -1, 8)
    assert (hidden.all(axis=2) == hidden.any(axis=2)).all()
    n_hidden = hidden.any(axis=2).sum(axis=1)
    assert (n_hidden == (3 if mask_ratio == 0.5 else expected)).all()


def test_transform_is_the_mean_of_the_tokens(fitted, X):
    x = torch.from_numpy((X - fitted.mean_) / fitted.scale_).double()
    with torch.no_grad():
        tokens = fitted.module_.double().encoder(x)
    fitted.module_.float()
    np.testing.assert_allclose(fitted.transform(X), tokens.mean(dim=1), atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("encoder", ["transformer", "state_space"])
@pytest.mark.parametrize("width", [6, 16])
def test_an_embedding_does_not_depend_on_its_company(X, encoder, precision, width):
    pretrainer = small(encoder=encoder, precision=precision, embed_dim=width).fit(X)
    together = pretrainer.transform(np.tile(X, (3, 1)))  # more than one pass
    alone = np.concatenate([pretrainer.transform(row[None]) for row in X])
    order = np.random.RandomState(0).permutation(len(X))
    rounding = {"rtol": 1e-6, "atol": 1e-6}
    np.testing.assert_allclose(together[: len(X)], alone, **rounding)
    np.testing.assert_allclose(together[-len(X) :], alone, **rounding)
    np.testing.assert_allclose(pretrainer.transform(X[order]), alone[order], **rounding)


def test_embeddings_are_rounded_to_bfloat16_on_request_alone(fitted, X):
    exact = fitted.transform(X)
    auto = clone(fitted).set_params(precision="auto")
    rough = clone(fitted).set_params(precision="bfloat16")
    for other in (auto, rough):
        vars(other).update({k: v for k, v in vars(fitted).items() if k.endswith("_")})
    np.testing.assert_array_equal(auto.transform(X), exact)
    with pytest.raises(ValueError, match="'precision' parameter of MaskedSpectral"):
        rough.set_params(precision="float16").transform(X)
    error = rough.set_params(precision="bfloat16").transform(X) - exact
    assert 1e-5 < np.abs(error).max() / np.abs(exact).max() < 2e-2


def test_spectra_are_scaled_for_embedding_a_few_at_a_time(X, monkeypatch):
    fitted = small(device="cpu").fit(X)
    n_rows = []

    def scale_spectra(rows, mean, scale, first_row):
        assert first_row == sum(n_rows)
        n_rows.append(len(rows))
        return ((rows - mean) / scale).astype(np.float32)

    monkeypatch.setattr("skspectra._pretrainer.scale_spectra", scale_spectra)
    many = np.tile(X, (30, 1)).astype(np.float32)
    fitted.transform(many)
    assert sum(n_rows) == len(many)
    assert max(n_rows) * fitted.n_tokens_ <= 1024


def test_units_do_not_matter(X):
    one = small().fit(X)
    other = small().fit(1000.0 * X)
    np.testing.assert_allclose(one.transform(X), other.transform(1000 * X), atol=1e-5)


@pytest.mark.parametrize("n_channels, patch_size, used", [(7, 16, 4), (2, 1, 1)])
def test_wide_patches_are_narrowed_so_that_two_remain(n_channels, patch_size, used):
    X = np.random.default_rng(0).normal(size=(20, n_channels))
    pretrainer = small(patch_size=patch_size).fit(X)
    assert pretrainer.patch_size_ == used
    assert pretrainer.n_tokens_ == 2
    assert pretrainer.patch_size == patch_size


def test_equal_spectra_are_embedded_without_nan():
    X = np.full((5, 20), 3.7)
    pretrainer = small().fit(X)
    assert np.isfinite(pretrainer.transform(X)).all()
    assert np.isfinite(pretrainer.score(X))


def test_max_epochs_zero_is_an_untrained_encoder(X):
    pretrainer = small(max_epochs=0).fit(X)
    assert pretrainer.loss_curve_ == []
    assert pretrainer.n_iter_ == 0
    assert pretrainer.transform(X).shape == (90, 16)


def test_fit_rests_on_the_cpu_in_eval_mode_without_gradients(fitted):
    assert not any(module.training for module in fitted.module_.modules())
    for parameter in fitted.module_.parameters():
        assert parameter.device.type == "cpu"
        assert parameter.grad is None


@pytest.mark.parametrize("dump", [pickle.dumps, None])
def test_round_trip_keeps_every_embedding(fitted, X, dump, tmp_path):
    if dump:
        again = pickle.loads(dump(fitted))
    else:
        joblib.dump(fitted, tmp_path / "pretrainer.joblib")
        again = joblib.load(tmp_path / "pretrainer.joblib")
    assert (again.transform(X) == fitted.transform(X)).all()


def test_bfloat16_trains_too(X):
    pretrainer = small(precision="bfloat16", max_epochs=20, lr=3e-3).fit(X)
    full = small(precision="float32", max_epochs=20, lr=3e-3).fit(X)
    assert pretrainer.module_.to_patch.weight.dtype == torch.float32
    assert pretrainer.loss_curve_[-1] == pytest.approx(full.loss_curve_[-1], rel=0.2)
    assert pretrainer.loss_curve_ != full.loss_curve_


def test_no_seed_does_not_draw_from_the_global_generator(X):
    np.random.seed(0)  # what is drawn next tells whether something was drawn
    torch.manual_seed(0)
    expected = np.random.random_sample(), torch.rand(())
    np.random.seed(0)
    torch.manual_seed(0)
    small(random_state=None, mask_ratio=(0.2, 0.6), masking="block").fit(X)
    small(random_state=None, masking="self_guided").fit(X).reconstruct(X)
    assert (np.random.random_sample(), torch.rand(())) == expected


def test_callbacks_are_told_of_every_epoch(X):
    from skorch.callbacks import Callback

    class Count(Callback):
        n_epochs = 0

        def on_epoch_end(self, net, **kwargs):
            self.n_epochs += 1

    count = Count()
    small(callbacks=[count]).fit(X)
    assert count.n_epochs == 3


def test_verbose_2_prints_one_line_for_each_epoch(X, capsys):
    small(verbose=2).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.strip().startswith(("1", "2", "3")) for line in lines) == 3
    small().fit(X)
    assert capsys.readouterr().out == ""


def test_divergence_is_an_error_and_not_a_model(X):
    with pytest.raises(FloatingPointError, match="Lower lr"):
        small(lr=1e30, max_epochs=20, warmup=0.0).fit(X)


def test_interruption_reaches_the_caller(X):
    from skorch.callbacks import Callback

    class Interrupt(Callback):
        def on_batch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    pretrainer = small(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        pretrainer.fit(X)
    with pytest.raises(NotFittedError):
        pretrainer.transform(X)


@pytest.mark.parametrize(
    "parameters, message",
    [
        (dict(n_heads=3), "embed_dim must be a multiple of n_heads. Got"),
        (dict(decoder_n_heads=3), "decoder_dim must be a multiple of decoder_n_heads"),
        (
            dict(decoder_depth=0),
            "decoder_depth must be at least 1 with hidden_tokens='drop'",
        ),
        (dict(mask_ratio=0.95), "mask_ratio=0.95 hides all of the 7 patches"),
        (dict(mask_ratio=1.0), r"range \(0.0, 1.0\) or .* Got 1.0 instead"),
        (dict(mask_ratio=(0.6, 0.2)), r"a pair \(low, high\) .* Got \(0.6, 0.2\)"),
        (dict(mask_ratio=(0.2, 1.0)), r"a pair \(low, high\) .* Got \(0.2, 1.0\)"),
        (dict(mask_ratio=(0.2,)), r"a pair \(low, high\) .* Got \(0.2,\)"),
        (dict(mask_ratio=[0.2, 0.4, 0.6]), r"a pair \(low, high\) .* Got \[0.2, 0.4"),
        (dict(mask_ratio=(0.2, "b")), r"a pair \(low, high\) .* Got \(0.2, 'b'\)"),
        (dict(mask_ratio=(0.2, 0.95)), "mask_ratio=0.95 hides all of the 7 patches"),
        (dict(masking="spans"), "'masking' .* must be a str among"),
        (dict(block_width=0), "'block_width' .* must be a float in the range"),
        (dict(loss="mae"), "'loss' .* must be a str among"),
        (dict(encoder="mamba"), "'encoder' .* must be a str among"),
        (dict(mask_ratio=np.nan), "'mask_ratio' .* must be a float"),
        (dict(patch_size=4.0), "'patch_size' .* must be an int"),
        (dict(lr=np.inf), "'lr' .* must be a float"),
        (dict(hidden_tokens="keep"), "'hidden_tokens' .* must be a str among"),
        (dict(device="cuda:99"), "device='cuda:99' was requested, but only"),
        (dict(device="toaster"), "device='toaster' was requested, but only"),
        (dict(x_axis=[1, 2, 3]), "'x_axis' .* one value for each of the 52 channels"),
        (
            dict(x_axis=np.r_[5, 4, np.arange(50)]),
            "strictly rising or strictly falling",
        ),
    ],
)
def test_bad_parameters_get_one_clear_sentence(X, parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(X)


@pytest.mark.parametrize(
    "hidden, message",
    [
        (np.ones(52, dtype=bool), "at least one patch"),
        (np.zeros(51, dtype=bool), "hidden must be boolean and of shape"),
        (np.zeros(52), "hidden must be boolean and of shape"),
    ],
)
def test_bad_masks_get_one_clear_sentence(fitted, X, hidden, message):
    with pytest.raises(ValueError, match=message):
        fitted.reconstruct(X, hidden=hidden)


@pytest.mark.parametrize("huge", [1e200, 1e308])
def test_values_too_large_to_square_are_refused(X, huge):
    spoilt = X.copy()
    spoilt[3, 4] = huge
    with pytest.raises(ValueError, match="X holds values beyond 1e"):
        small().fit(spoilt)


def test_a_spectrum_too_far_away_for_float32_is_refused(fitted, X):
    far = np.tile(X, (6, 1))  # of more than one pass
    far[501, 3] = 1e39
    for method in (fitted.transform, fitted.score):
        with pytest.raises(ValueError, match=r"for float32 .* row 501, channel 3"):
            method(far)


def test_falling_axes_are_accepted(X):
    axis = np.linspace(4000, 600, X.shape[1])
    assert (small(x_axis=axis).fit(X).x_axis_ == axis).all()


def test_table_with_another_axis_is_refused(X):
    axis = np.linspace(1100, 2500, X.shape[1])
    table = pd.DataFrame(X, columns=axis)
    pretrainer = small(x_axis=axis).fit(table)
    pretrainer.transform(table)
    pretrainer.transform(X)  # an array has no axis to compare
    for wrong in (table.iloc[:, ::-1], pd.DataFrame(X, columns=axis + 3)):
        with pytest.raises(ValueError, match=r"axis of .* from 1100 to 2500"):
            pretrainer.transform(wrong)
    with pytest.raises(ValueError, match="the axis of"):
        small(x_axis=axis).fit(table.iloc[:, ::-1])


def test_table_whose_names_are_counted_or_words_is_taken_as_it_is(X):
    axis = np.linspace(1100, 2500, X.shape[1])
    small(x_axis=axis).fit(pd.DataFrame(X))
    small(x_axis=axis).fit(pd.DataFrame(X, columns=[f"c{i}" for i in range(52)]))


@pytest.mark.parametrize(
    "one, other",
    [
        (dict(encoder="transformer"), dict(encoder="state_space")),
        (dict(masking="random"), dict(masking="block")),
        (dict(masking="self_guided"), dict(masking="matched_spans")),
        (dict(masking="random"), dict(masking="self_guided")),
        (dict(mask_ratio=0.4), dict(mask_ratio=(0.2, 0.6))),
        (
            dict(masking="block", block_width=8),
            dict(masking="block", block_width=20),
        ),
        (dict(loss="mse"), dict(loss="mse+wasserstein")),
        (dict(loss="mse"), dict(loss="mse+sinkhorn")),
        (
            dict(loss="mse+wasserstein", transport_weight=0.1),
            dict(loss="mse+wasserstein", transport_weight=0.5),
        ),
        (dict(mask_token_lr_scale=1.0), dict(mask_token_lr_scale=10.0)),
    ],
    ids=str,
)
def test_every_option_changes_the_training(X, one, other):
    X = X - X.min()
    weights = [
        small(hidden_tokens="replace", **options).fit(X).module_.to_patch.weight
        for options in (one, other)
    ]
    assert not torch.equal(*weights)


def test_a_pair_of_ratios_may_be_a_list(X):
    pair, listed = (small(mask_ratio=kind((0.2, 0.6))).fit(X) for kind in (tuple, list))
    assert pair.loss_curve_ == listed.loss_curve_
    assert (pair.reconstruct(X).hidden == listed.reconstruct(X).hidden).all()


@pytest.mark.parametrize(
    "options", [dict(masking="matched_spans"), dict(loss="mse+wasserstein")], ids=str
)
def test_the_score_does_not_depend_on_masks_and_loss(fitted, X, options):
    other = small(max_epochs=0, **options).fit(X)
    other.module_ = fitted.module_
    assert other.score(X) == fitted.score(X)


def test_transport_of_weight_zero_changes_nothing(X):
    plain = small().fit(X).module_
    unweighted = small(loss="mse+wasserstein", transport_weight=0.0).fit(X).module_
    for one, other in zip(plain.parameters(), unweighted.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("hidden_tokens", ["drop", "replace"])
def test_the_mask_token_has_a_learning_rate_of_its_own(X, hidden_tokens):
    def token(scale, max_epochs=1):
        pretrainer = small(
            hidden_tokens=hidden_tokens,
            mask_token_lr_scale=scale,
            max_epochs=max_epochs,
            warmup=0.0,
        ).fit(X)
        parameters = dict(pretrainer.module_.named_parameters())
        (name,) = (name for name in parameters if name.endswith("mask_token"))
        return parameters[name].detach()

    start = token(1.0, max_epochs=0)
    assert torch.equal(token(0.0), start)
    # The first step of Adam has the length of the learning rate.
    moved = [(token(scale) - start).abs().max().item() for scale in (1.0, 10.0)]
    assert moved[1] / moved[0] == pytest.approx(10, rel=0.05)


def test_self_guided_training_starts_at_random_and_ends_guided(X, monkeypatch):
    shares = []
    original = ReconstructionObjective._guided_share

    def watched(self):
        shares.append(original(self))
        return shares[-1]

    monkeypatch.setattr(ReconstructionObjective, "_guided_share", watched)
    small(masking="self_guided", max_epochs=20).fit(X)
    assert shares[0] == 0
    assert (np.diff(shares) >= 0).all()
    assert np.mean(np.array(shares) == 1) == pytest.approx(0.75, abs=0.05)


def test_tokens_need_be_no_spectrum():
    # Columns in any order: patches of one, learned positions, no smoothness to use.
    rng = np.random.default_rng(0)
    table = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 12))
    table = (table + 0.1 * rng.normal(size=table.shape))[:, rng.permutation(12)]
    pretrainer = small(
        patch_size=1,
        positions="learned",
        masking="self_guided",
        mask_ratio=0.3,
        batch_size=32,
        max_epochs=200,
        lr=3e-3,
    ).fit(table[:200])
    assert pretrainer.n_tokens_ == 12
    assert pretrainer.score(table[200:]) > 0.3  # the mean of each column scores 0


def test_entropic_transport_refuses_signed_spectra(X):
    signed = X - X.mean()
    with pytest.raises(ValueError, match=r"loss='mse\+wasserstein', which"):
        small(loss="mse+sinkhorn").fit(signed)


def test_grid_over_masks_encoders_and_losses(X):
    grid = GridSearchCV(
        small(max_epochs=2),
        {
            "masking": ["random", "block"],
            "encoder": ["transformer", "state_space"],
            "loss": ["mse", "mse+wasserstein", "mse+sinkhorn"],
            "hidden_tokens": ["replace"],
        },
        cv=2,
        error_score="raise",
    ).fit(X - X.min())
    assert len(set(grid.cv_results_["mean_test_score"])) == 12


def test_grid_over_its_own_score(X):
    grid = GridSearchCV(
        make_pipeline(InstanceNormalizer(), small()),
        {"maskedspectralpretrainer__mask_ratio": [0.3, 0.6]},
        cv=3,
    ).fit(X)
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()


def test_a_linear_decoder_rebuilds_from_replaced_tokens(X):
    pretrainer = small(
        hidden_tokens="replace", decoder_depth=0, max_epochs=40, lr=3e-3
    ).fit(X[:70])
    assert pretrainer.score(X[70:]) > 0


def test_learned_positions_are_trained(X):
    start = small(positions="learned", max_epochs=0).fit(X)
    trained = small(positions="learned").fit(X)
    before, after = (p.module_.encoder.positions.table for p in (start, trained))
    assert before.requires_grad
    assert not torch.equal(before, after)
