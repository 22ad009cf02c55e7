"""Missing channels: a patch with one is not seen, and enters no loss."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from test_common import tiny_pretrainer

from skspectra import (
    AxisResampler,
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    PLSRegressionCV,
    SpectralClassifier,
    SpectralRegressor,
    load_model,
    save_model,
)
from skspectra._inference import rebuild
from skspectra._modules import describe
from skspectra._modules import rebuild as rebuild_module
from skspectra._patches import without_gaps
from skspectra._provenance import hash_rows, were_among
from skspectra.datasets import make_nir_mixtures
from skspectra.inspection import saliency_map
from skspectra.nn import (
    MaskedAutoencoder,
    PredictionObjective,
    ReconstructionObjective,
    SpectralEncoder,
    SpectralPredictor,
    augment,
    hidden_channels,
    spare_one,
    visible_slots,
)

pytestmark = pytest.mark.filterwarnings("ignore::skspectra.exceptions.FewLabelsWarning")

WIDTH = 4  # of a patch
SPECTRA = make_nir_mixtures(n_samples=40, n_channels=30, random_state=0)
X, Y = SPECTRA.data, SPECTRA.target
# The last patch is half filled; of others one channel, all, or none is missing.
GAPS = np.zeros(X.shape, dtype=bool)
GAPS[::3, 5] = GAPS[1::4, 8:16] = GAPS[2::5, 28:] = GAPS[7, 4:] = True
WITH_GAPS = np.where(GAPS, np.nan, X)
ENCODERS = {
    "drop": dict(hidden_tokens="drop"),
    "replace": dict(hidden_tokens="replace"),
    "oscillators, drop": dict(encoder="state_space", hidden_tokens="drop"),
    "oscillators, replace": dict(encoder="state_space", hidden_tokens="replace"),
}
each_encoder = pytest.mark.parametrize("options", ENCODERS.values(), ids=ENCODERS)


def in_patches_with_gaps():
    """Return which channels lie in a patch that lacks one."""
    wide = np.pad(GAPS, ((0, 0), (0, -X.shape[1] % WIDTH)))
    missing = wide.reshape(len(X), -1, WIDTH).any(axis=2)
    return np.repeat(missing, WIDTH, axis=1)[:, : X.shape[1]]


def elsewhere(value):
    """Return other numbers in what is there of patches with gaps, and only there."""
    return np.where(in_patches_with_gaps() & ~GAPS, value, WITH_GAPS)


def pretrainer(**options):
    return tiny_pretrainer(**{"patch_size": WIDTH, "max_epochs": 3, **options})


def autoencoder(n_channels=30, **options):
    torch.manual_seed(0)
    arguments = dict(embed_dim=8, depth=2, n_heads=2, positions="sine_cosine")
    arguments |= {"hidden_tokens": "drop", **options}
    encoder = SpectralEncoder(n_channels, patch_size=WIDTH, **arguments)
    return MaskedAutoencoder(
        encoder,
        decoder_dim=8,
        decoder_depth=1,
        decoder_n_heads=2,
        positions="sine_cosine",
    ).double()


# --- what the modules make of it ---------------------------------------------------


@each_encoder
def test_rows_that_hide_unequal_numbers_are_what_each_is_alone(options):
    module = autoencoder(**options)
    x = torch.randn(6, 30, dtype=torch.float64)
    hidden = torch.rand(6, 8) < 0.5
    hidden[:, 3] = False
    ids, kept = visible_slots(hidden, 8)
    together = module(x, hidden, ids, kept)
    alone = torch.cat([module(x[i : i + 1], hidden[i : i + 1]) for i in range(6)])
    assert_allclose(together.detach(), alone.detach(), atol=1e-12)


@each_encoder
def test_an_encoder_sees_nothing_of_what_is_missing(options):
    encoder = autoencoder(**options).encoder
    x = torch.randn(5, 30, dtype=torch.float64, requires_grad=True)
    missing = torch.zeros(5, 8, dtype=torch.bool)
    missing[0, 2] = missing[1, 5:] = missing[2, :7] = True
    tokens = encoder.present(x, missing)
    assert (tokens[missing] == 0).all() and (tokens[~missing] != 0).all()
    (gradient,) = torch.autograd.grad(tokens.square().sum(), x)
    unseen = hidden_channels(missing, encoder)
    assert (gradient[unseen] == 0).all() and (gradient[~unseen] != 0).all()
    # Spectra without gaps are encoded as ever.
    assert_allclose(tokens[3:].detach(), encoder(x[3:]).detach(), atol=1e-12)
    mean = tokens[1, :5].mean(dim=0)
    assert_allclose(encoder.embed(x, missing)[1].detach(), mean.detach())


def test_augmentation_does_not_look_across_a_gap():
    x = torch.randn(6, 30, dtype=torch.float64)
    missing = torch.zeros(6, 30, dtype=torch.bool)
    missing[:, 8:12] = missing[0, 28:] = missing[1, :4] = missing[1, 5:8] = True

    def disturbed(x, *gaps):
        torch.manual_seed(0)
        return augment(x, 1.0, *gaps)

    near = disturbed(torch.where(missing, 0.0, x), missing)
    far = disturbed(torch.where(missing, 50.0, x), missing)
    assert torch.equal(near[~missing], far[~missing])
    # Beside a gap it is as if the spectrum went straight on.
    straight = x.clone()
    straight[:, 8] = 2 * x[:, 7] - x[:, 6]
    assert_allclose(near[3, :8], disturbed(straight)[3, :8], rtol=1e-12)


def test_an_encoder_that_drops_reads_a_spectrum_like_one_that_ends_earlier():
    whole, short = autoencoder(32).encoder, autoencoder(20).encoder
    short.load_state_dict(
        {name: short.state_dict().get(name) if "table" in name else value
         for name, value in whole.state_dict().items()}
    )  # fmt: skip
    x = torch.randn(3, 32, dtype=torch.float64)
    missing = torch.arange(8).expand(3, 8) >= 5
    assert_allclose(
        whole.embed(x, missing).detach(), short.embed(x[:, :20]).detach(), atol=1e-12
    )


def test_fine_tuning_with_augmentation_ignores_what_is_missing():
    predictor = SpectralPredictor(autoencoder().encoder, 2, "concatenate").double()
    torch.nn.init.normal_(predictor.head.weight)
    x, missing = torch.randn(6, 30, dtype=torch.float64), torch.rand(6, 8) < 0.4
    missing[:, 3] = False
    unseen = hidden_channels(missing, predictor.encoder)

    def loss(value):
        torch.manual_seed(0)
        objective = PredictionObjective(predictor, 1.0)
        return objective(torch.where(unseen, value, x), torch.ones(6, 2), missing)

    assert loss(0.0) == loss(50.0) > 0


@each_encoder
@pytest.mark.parametrize("masking", ["random", "block", "self_guided", "matched_spans"])
def test_the_loss_and_its_gradient_ignore_what_is_missing(masking, options):
    guided = masking in ("self_guided", "matched_spans")
    if guided:
        options = options | {"encoder": "transformer"}
    module = autoencoder(**options)
    objective = ReconstructionObjective(module, 0.5, masking=masking)
    x = torch.randn(8, 30, dtype=torch.float64)
    missing = torch.rand(8, 8) < 0.4
    missing[:, 0], missing[3, 1:] = False, True  # a spectrum of one patch, too
    unseen = hidden_channels(missing, module.encoder)

    def loss(x):
        torch.manual_seed(1)
        module.zero_grad()
        value = objective(x, missing)
        value.backward()
        return [value, *(parameter.grad for parameter in module.parameters())]

    x = torch.where(unseen, 0.0, x)
    # Guided masks look at all that is passed.
    other = x if guided else torch.where(unseen, -7.0, x)
    for value, again in zip(loss(x), loss(other), strict=True):
        assert value is None or torch.equal(value, again)
    assert loss(x)[0] > 0


@each_encoder
def test_the_loss_counts_what_was_hidden_and_is_there(options, monkeypatch):
    module, counted = autoencoder(**options), []

    def transport(rebuilt, x, counts):
        counted.append(counts)
        return rebuilt.sum() * 0

    objective = ReconstructionObjective(module, 0.5, transport=transport)
    x = torch.randn(4, 30, dtype=torch.float64)
    mask = torch.arange(8) % 2 == torch.tensor([[0], [1], [0], [0]])
    missing = torch.zeros(4, 8, dtype=torch.bool)
    missing[1, :5] = missing[2, 1:] = missing[3, 4] = True  # of 2 only what is hidden
    kept = (~mask).nonzero()[:, 1].view(4, -1)
    monkeypatch.setattr(objective, "draw_mask", lambda x, draws: (mask, kept))
    loss = objective(
        torch.where(hidden_channels(missing, module.encoder), 0.0, x), missing
    )
    errors = []
    for i in (0, 1, 3):
        hidden = (mask | missing)[i : i + 1]
        counts = hidden_channels((mask & ~missing)[i : i + 1], module.encoder)
        errors.append((module(x[i : i + 1], hidden) - x[i : i + 1])[counts])
        assert torch.equal(counted[0][i : i + 1], counts)
    assert not counted[0][2].any()
    assert_allclose(loss.item(), torch.cat(errors).square().mean().item())


def test_a_mask_leaves_something_to_see_and_hides_only_what_is_there():
    torch.manual_seed(0)
    mask = torch.rand(500, 8) < 0.7
    missing = torch.rand(500, 8) < 0.5
    missing[torch.arange(500), torch.randint(8, (500,))] = False
    spared = spare_one(mask, missing)
    assert not (spared & missing).any()
    assert (~(spared | missing)).any(dim=1).all()
    lost = (mask | missing).all(dim=1)
    assert lost.any()
    assert torch.equal(spared[~lost], (mask & ~missing)[~lost])
    assert ((mask & ~missing).sum(dim=1) - spared.sum(dim=1))[lost].eq(1).all()


# --- what the estimators make of it ------------------------------------------------


@pytest.mark.parametrize("method", ["standard", "minmax", "area", "max", "robust"])
def test_statistics_of_a_spectrum_are_those_of_what_is_there(method):
    normalised = InstanceNormalizer(method).fit_transform(WITH_GAPS)
    assert_array_equal(np.isnan(normalised), GAPS)
    for row, there, gaps in zip(X, normalised, GAPS, strict=True):
        alone = InstanceNormalizer(method).fit_transform(row[~gaps][None])[0]
        assert_allclose(there[~gaps], alone, rtol=1e-12, atol=1e-14)


def test_flat_spectra_and_empty_ones_are_told_apart():
    rows = np.array([[1.0, np.nan, 1.0], [np.nan] * 3, [1.0, 2.0, np.nan]])
    with pytest.warns(UserWarning, match="1 of 3 spectra are flat .* row 0"):
        normalised = InstanceNormalizer().fit_transform(rows)
    expected = [[0.0, np.nan, 0.0], [np.nan] * 3, [-1.0, 1.0, np.nan]]
    assert_array_equal(normalised, expected)


@each_encoder
def test_embeddings_and_scores_ignore_patches_with_gaps(options):
    model = pretrainer(**options).fit(WITH_GAPS)
    assert np.isfinite(model.loss_curve_).all()
    first, second = elsewhere(0.0), elsewhere(9.0)
    assert_array_equal(model.transform(first), model.transform(second))
    enough = GAPS.sum(axis=1) < 20
    assert_array_equal(
        model.score_samples(first[enough]), model.score_samples(second[enough])
    )


@each_encoder
def test_spectra_without_gaps_keep_their_embedding_beside_others(options):
    model = pretrainer(**options).fit(X)
    complete = ~GAPS.any(axis=1)
    beside = model.transform(WITH_GAPS)
    assert_array_equal(beside[complete], model.transform(X)[complete])
    # And so do those with gaps, of which a pass may have no others.
    assert_array_equal(beside[~complete], model.transform(WITH_GAPS[~complete]))


def test_means_and_scale_are_those_of_what_is_there():
    model = pretrainer(max_epochs=0).fit(WITH_GAPS)
    assert_allclose(model.mean_, np.nanmean(WITH_GAPS, axis=0))
    assert_allclose(model.scale_, np.sqrt(np.nanmean((WITH_GAPS - model.mean_) ** 2)))


def test_gaps_are_told_by_whatever_a_table_has_for_them():
    model = pretrainer(max_epochs=1).fit(WITH_GAPS)
    objects = WITH_GAPS.astype(object)
    objects[GAPS] = np.resize([None, pd.NA, np.nan], GAPS.sum())
    none = np.where(GAPS, None, WITH_GAPS)
    tables = [
        objects,
        pd.DataFrame(objects),
        pd.DataFrame(WITH_GAPS).astype("Float64"),
        pd.DataFrame(objects).astype({5: "Float64"}),
        none.tolist(),
    ]
    for table in tables:
        assert_array_equal(model.transform(table), model.transform(WITH_GAPS))
        assert_array_equal(clone(model).fit(table).mean_, model.mean_)


def test_a_channel_that_no_training_spectrum_has_is_never_seen():
    cut = X.copy()
    cut[:, 8:12] = np.nan  # a water band, cut out of all spectra
    model = SpectralRegressor(pretrainer(), max_epochs=2, random_state=0).fit(cut, Y)
    assert np.isnan(model.pretrainer_.mean_[8:12]).all()
    assert_array_equal(model.predict(X), model.predict(cut))
    rebuilt = model.pretrainer_.reconstruct(X)
    assert rebuilt.hidden[:, 8:12].all()
    assert_array_equal(np.isnan(rebuilt.reconstruction), np.isnan(cut))


def test_what_is_missing_is_rebuilt():
    smooth = make_nir_mixtures(n_samples=150, n_channels=60, noise=0, random_state=1)
    model = MaskedSpectralPretrainer(
        patch_size=6,
        embed_dim=32,
        depth=1,
        lr=3e-3,
        max_epochs=150,
        batch_size=20,
        random_state=0,
    ).fit(smooth.data[:100])
    true = smooth.data[100:]
    gapped = true.copy()
    gapped[:, 20] = np.nan
    found = model.reconstruct(gapped, hidden=np.zeros(60, dtype=bool))
    assert_array_equal(found.hidden, np.tile(np.arange(60) // 6 == 3, (50, 1)))
    error = np.sqrt(np.mean((found.reconstruction - true)[found.hidden] ** 2))
    by_mean = np.sqrt(np.mean((model.mean_ - true)[found.hidden] ** 2))
    assert error < 0.5 * by_mean
    assert_array_equal(found.reconstruction[~found.hidden], true[~found.hidden])


def test_as_much_is_hidden_as_was_asked_of_what_is_there():
    there = 8 - np.ceil(in_patches_with_gaps().sum(axis=1) / WIDTH)
    for ratio in (0.05, 0.5, 0.95):
        model = pretrainer(max_epochs=0, mask_ratio=0.5).fit(X)
        hidden = model.set_params(mask_ratio=ratio).reconstruct(WITH_GAPS).hidden
        assert hidden[in_patches_with_gaps()].all()
        n_hidden = np.ceil(hidden.sum(axis=1) / WIDTH) - (8 - there)
        expected = np.clip(np.round(ratio * there), np.minimum(1, there - 1), there - 1)
        assert_array_equal(n_hidden, expected)
        assert n_hidden[7] == 0  # the last one is to be seen


def test_scores_are_means_over_what_is_there(monkeypatch):
    model = pretrainer(max_epochs=0).fit(X)
    rebuilding = model.module_.to_patch
    torch.nn.init.zeros_(rebuilding.weight)
    torch.nn.init.ones_(rebuilding.bias)  # rebuilds 1, whatever it sees
    masks = []

    def listening(autoencoder, x, mask, device):
        masks.append(mask)
        return rebuild(autoencoder, x, mask, device)

    monkeypatch.setattr("skspectra._inference.rebuild", listening)
    enough = GAPS.sum(axis=1) < 20
    gaps = in_patches_with_gaps()[enough]
    x = np.where(gaps, np.nan, (X[enough] - model.mean_) / model.scale_)
    errors, squares = np.nanmean((x - 1) ** 2, axis=1), np.nanmean(x**2, axis=1)
    found = model.score_samples(WITH_GAPS[enough])
    assert_allclose(found, -errors, rtol=1e-5)
    score = model.score(WITH_GAPS[enough])
    assert_allclose(score, 1 - errors.mean() / squares.mean(), rtol=1e-5)
    # Of what is there, one half and then the other.
    missing = gaps[:, ::WIDTH]
    n_there = (~missing).sum(axis=1)
    for mask, other in zip(masks[::2], masks[1::2], strict=True):
        assert_array_equal(mask & other, missing)
        assert (mask | other).all()
        assert_array_equal((mask & ~missing).sum(axis=1), n_there // 2)


def test_scores_count_what_is_there_and_need_two_patches():
    model = pretrainer(max_epochs=30, lr=1e-2).fit(X)
    assert model.score(WITH_GAPS[GAPS.sum(axis=1) < 20]) > 0.1
    # A patch of the mean spectrum more or less is no error more or less.
    with pytest.raises(ValueError, match=r"two patches .* Got one in 1 of 40 .* row 7"):
        model.score_samples(WITH_GAPS)
    assert np.isfinite(model.transform(WITH_GAPS)).all()


@pytest.mark.parametrize("method", ["fit", "transform", "score", "reconstruct"])
def test_a_spectrum_without_a_whole_patch_is_named(method):
    empty = X.copy()
    empty[5, ::2] = np.nan
    model = pretrainer(max_epochs=1)
    with pytest.raises(ValueError, match=r"Got none in 1 of 40 spectra, .* row 5\."):
        getattr(model if method == "fit" else model.fit(X), method)(empty)
    assert method == "fit" or hasattr(model, "module_")


def test_the_row_named_is_the_users_among_unlabelled_and_validation_rows():
    empty, y = X.copy(), Y.astype(float)
    empty[25, ::2], y[:10] = np.nan, np.nan
    frozen = FrozenEstimator(pretrainer(max_epochs=0).fit(X))
    model = SpectralRegressor(frozen, max_epochs=1, early_stopping=True, random_state=0)
    with pytest.raises(ValueError, match=r"Got none in 1 of 40 spectra, .* row 25\."):
        model.fit(empty, y)


def test_the_row_named_counts_from_the_first_of_a_large_table():
    model, many = pretrainer(max_epochs=0).fit(X), np.tile(X, (10, 1))
    many[325, ::2] = np.nan
    with pytest.raises(ValueError, match=r"Got none in .* row 325\."):
        model.transform(many)


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_units_whose_squares_vanish_or_overflow_are_refused_with_gaps_too(unit):
    with pytest.raises(ValueError, match="Rescale it"):
        pretrainer(max_epochs=0).fit(unit * WITH_GAPS)


def test_nothing_of_a_patch_with_a_gap_is_passed_on():
    x, missing = without_gaps(elsewhere(9.0), WIDTH)
    assert (x[in_patches_with_gaps()] == 0).all()
    assert_array_equal(x[~in_patches_with_gaps()], X[~in_patches_with_gaps()])
    assert_array_equal(missing, in_patches_with_gaps()[:, ::WIDTH])


def test_spectra_without_any_channel_are_refused_without_further_warnings():
    with pytest.raises(ValueError, match="Got none in 40 of 40 spectra"):
        pretrainer().fit(np.full_like(X, np.nan))


def test_spectra_of_which_nothing_can_be_hidden_teach_nothing():
    lone = X.copy()
    lone[:, 4:] = np.nan
    with pytest.raises(ValueError, match="two patches without a missing channel"):
        pretrainer().fit(lone)
    assert np.isfinite(pretrainer(max_epochs=0).fit(lone).transform(lone)).all()
    lone[3] = X[3]  # one is enough
    assert pretrainer(max_epochs=1, batch_size=50).fit(lone).loss_curve_[0] > 0


def test_entropic_transport_needs_whole_spectra():
    model = pretrainer(loss="mse+sinkhorn")
    with pytest.raises(ValueError, match="X contains NaN"):
        model.fit(WITH_GAPS)
    fitted = clone(model).set_params(max_epochs=0).fit(X - X.min())
    for method in (fitted.transform, fitted.score, fitted.reconstruct):
        with pytest.raises(ValueError, match="X contains NaN"):
            method(WITH_GAPS)
    assert not model.__sklearn_tags__().input_tags.allow_nan
    assert not SpectralRegressor(model).__sklearn_tags__().input_tags.allow_nan


@pytest.mark.parametrize("pooling", ["concatenate", "mean"])
@pytest.mark.parametrize("strategy", ["probe", "fine_tune"])
@each_encoder
def test_predictions_ignore_patches_with_gaps(options, strategy, pooling):
    frozen = FrozenEstimator(pretrainer(max_epochs=1, **options).fit(X))
    settings = dict(strategy=strategy, pooling=pooling, max_epochs=2, random_state=0)
    model = SpectralRegressor(frozen, **settings)
    first = clone(model).fit(elsewhere(0.0), Y).predict(elsewhere(5.0))
    again = clone(model).fit(elsewhere(5.0), Y).predict(elsewhere(0.0))
    assert_array_equal(first, again)
    classes = SpectralClassifier(frozen, **settings).fit(elsewhere(0.0), Y.mean() < Y)
    assert_array_equal(
        classes.predict_proba(elsewhere(0.0)), classes.predict_proba(elsewhere(5.0))
    )


@each_encoder
def test_the_mean_token_of_training_spectra_stands_for_a_missing_one(options):
    frozen = FrozenEstimator(pretrainer(max_epochs=1, **options).fit(X))
    settings = dict(max_epochs=2, lr=1e-2, random_state=0)
    probe = SpectralRegressor(frozen, strategy="probe").fit(WITH_GAPS, Y)
    tuned = SpectralRegressor(frozen, **settings).fit(elsewhere(0.0), Y)
    cut = np.where(np.isin(np.arange(30) // WIDTH, (1, 2)), WITH_GAPS, X)
    cut[7] = X[7]
    partly = SpectralRegressor(frozen, **settings).fit(cut, Y)

    def means(model, X):
        scaled = (X - frozen.mean_) / frozen.scale_
        missing = np.isnan(np.pad(scaled, ((0, 0), (0, 2)))).reshape(40, 8, WIDTH)
        x, missing = torch.tensor(np.nan_to_num(scaled)), missing.any(axis=2)
        with torch.no_grad():
            tokens = model.module_.double().encoder.present(x, torch.tensor(missing))
        return np.nanmean(np.where(missing[..., None], np.nan, tokens), axis=0)

    # The map was fitted to what it reads: its errors have no mean.
    assert_allclose(probe.predict(WITH_GAPS).mean(axis=0), Y.mean(axis=0), rtol=1e-5)
    of_probe = means(probe, WITH_GAPS)
    assert_allclose(probe.module_.fillers, of_probe, atol=1e-5)
    # What stood for a token in training stays; others follow the encoder as tuned.
    assert_allclose(tuned.module_.fillers[1:], of_probe[1:], atol=1e-5)
    followed = means(partly, cut)
    others = [0, *range(3, 8)]
    assert_allclose(partly.module_.fillers[others], followed[others], atol=1e-5)
    assert np.abs(partly.module_.fillers.numpy() - followed)[[1, 2]].max() > 1e-3
    # And that is what is read.
    x, missing = torch.zeros(1, 30).double(), torch.eye(8, dtype=torch.bool)[[2]]
    read = probe.module_.double().features(x, missing).view(8, -1)
    assert torch.equal(read[2], probe.module_.fillers[2])


def test_early_stopping_judges_by_what_is_there():
    model = SpectralRegressor(
        pretrainer(max_epochs=0),
        pooling="mean",
        early_stopping=True,
        max_epochs=10,
        lr=1e-2,
        random_state=0,
    ).fit(X[:30], Y[:30], X_val=WITH_GAPS[30:], y_val=Y[30:])
    error = (model.predict(WITH_GAPS[30:]) - Y[30:]) / model.y_scale_
    assert_allclose(max(model.validation_scores_), -np.mean(error**2), rtol=1e-4)


def test_dead_pixels_of_new_spectra_cost_less_than_those_filled_with_means():
    spectra = make_nir_mixtures(n_samples=240, n_channels=80, random_state=2)
    train = np.arange(240) < 160
    model = SpectralRegressor(
        MaskedSpectralPretrainer(patch_size=8, embed_dim=32, depth=1, max_epochs=60),
        max_epochs=60,
        lr=1e-3,
        random_state=0,
    ).fit(spectra.data[train], spectra.target[train])
    damaged, true = spectra.data[~train].copy(), spectra.target[~train]
    damaged[np.arange(80), np.random.default_rng(0).integers(80, size=80)] = np.nan

    def rmsep(X):
        return np.sqrt(np.mean((model.predict(X) - true) ** 2))

    # The patch stands for a zero where nothing is known of it, which is far off.
    assert rmsep(damaged) < 0.5 * true.std()
    assert rmsep(damaged) < rmsep(np.nan_to_num(damaged))


def test_early_stopping_with_gaps_on_either_side():
    for X_train, X_val in ((X, WITH_GAPS), (WITH_GAPS, X)):
        model = SpectralRegressor(
            pretrainer(), early_stopping=True, max_epochs=3, random_state=0
        ).fit(X_train[:30], Y[:30], X_val=X_val[30:], y_val=Y[30:])
        assert np.isfinite(model.validation_scores_).all()


@pytest.mark.parametrize("n_channels", [6, 30])
def test_a_training_with_gaps_goes_on_from_its_checkpoint(n_channels, tmp_path):
    class Stop(Exception):
        pass

    from skorch.callbacks import Callback

    class Interrupt(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise Stop

    gaps = X[:, :n_channels].copy()
    gaps[:, 0] = gaps[::3, 3] = np.nan  # the first in all, so its mean is NaN too
    model = pretrainer(patch_size=2, max_epochs=6, checkpoint_dir=tmp_path)
    with pytest.raises(Stop):
        clone(model).set_params(callbacks=[Interrupt()]).fit(gaps)
    resumed = clone(model).fit(gaps)
    whole = pretrainer(patch_size=2, max_epochs=6).fit(gaps)
    assert_array_equal(resumed.transform(gaps), whole.transform(gaps))


def test_models_of_gaps_are_saved_and_loaded(tmp_path):
    cut = WITH_GAPS.copy()
    cut[:, 8:12] = np.nan
    model = make_pipeline(
        InstanceNormalizer(), SpectralRegressor(pretrainer(), max_epochs=2)
    )
    model.fit(cut, Y)
    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert_array_equal(loaded.predict(cut), model.predict(cut))
    assert_array_equal(loaded.predict(X), model.predict(X))


def test_the_token_of_the_mean_spectrum_stands_for_a_missing_one_in_early_models():
    model = SpectralRegressor(pretrainer(), strategy="probe").fit(X, Y)
    module = model.module_
    description, weights = describe(module)
    del weights["fillers"]
    early = rebuild_module(description, weights)
    mean_spectrum = torch.zeros(1, 30)
    with torch.no_grad():
        assert_allclose(early.fillers, module.encoder(mean_spectrum)[0], atol=1e-6)
        assert torch.equal(early(mean_spectrum), module(mean_spectrum))


def test_pipelines_grids_and_folds_take_gaps():
    pipeline = make_pipeline(
        InstanceNormalizer(),
        SpectralRegressor(pretrainer(max_epochs=1), max_epochs=1, random_state=0),
    )
    grid = GridSearchCV(
        pipeline,
        {"spectralregressor__pretrainer__patch_size": [2, 4]},
        cv=KFold(2),
        error_score="raise",
    )
    assert np.isfinite(cross_val_predict(grid, WITH_GAPS, Y, cv=KFold(2))).all()
    imputed = make_pipeline(SimpleImputer(), PLSRegressionCV(5))  # beside it
    assert np.isfinite(cross_val_predict(imputed, WITH_GAPS, Y, cv=KFold(2))).all()


def test_gradients_of_what_is_missing_are_zero():
    model = SpectralRegressor(pretrainer(), strategy="probe", random_state=0)
    model.fit(WITH_GAPS, Y)
    gradient = saliency_map(model, WITH_GAPS).saliency
    assert (gradient[in_patches_with_gaps()] == 0).all()
    assert (gradient[~in_patches_with_gaps()] != 0).all()
    with pytest.raises(ValueError, match="method='gradient'"):
        saliency_map(model, WITH_GAPS, method="integrated_gradients")


def test_spectra_with_gaps_are_known_again():
    hashes = hash_rows(WITH_GAPS)
    assert were_among(3 + 2 * WITH_GAPS, hashes).all()
    assert not were_among(X[GAPS.any(axis=1)], hashes).any()
    assert not were_among(np.where(GAPS, np.nan, 1.0), hash_rows(0 * WITH_GAPS)).any()


# --- two instruments, the second of which covers a part of the range ---------------

TWO = {
    "corn": ("X_m5", "X_mp5", (1100, 1900, 2)),
    "tablets_idrc2002": ("X_inst1", "X_inst2", (800, 1500, 3)),
}


@pytest.mark.parametrize("name", TWO)
def test_an_encoder_of_one_instrument_serves_another(name, real_spectra):
    found, (first, second, (low, high, step)) = real_spectra(name), TWO[name]
    axis, y = found.axis.astype(float), found.y[:, 0].astype(float)
    part = np.flatnonzero((axis >= low) & (axis <= high))[::step]
    whole = pd.DataFrame(found[first].astype(float), columns=axis)
    other = pd.DataFrame(found[second][:, part].astype(float), columns=axis[part])
    order = np.random.default_rng(0).permutation(len(y))[:240]
    pool, train, test = np.array_split(order, [len(order) // 2, -len(order) // 6])

    align = AxisResampler(axis)
    pretrainer = MaskedSpectralPretrainer(
        patch_size=25,
        embed_dim=32,
        depth=1,
        lr=3e-3,
        max_epochs=60,
        batch_size=16,
        random_state=0,
    ).fit(align.fit_transform(whole.iloc[pool]))
    # Other samples, on the other instrument, in a part of the range: what is there is
    # rebuilt from half of it. The mean spectrum of the pool would score 0.
    seen = align.transform(other.iloc[test])
    assert 0.3 < np.isnan(seen).mean() < 0.6
    assert pretrainer.score(seen) > 0.5

    snv = make_pipeline(align, InstanceNormalizer())
    encoder = clone(pretrainer).fit(snv.fit_transform(whole.iloc[pool]))
    model = SpectralRegressor(FrozenEstimator(encoder), strategy="probe")
    model = make_pipeline(snv, model).fit(other.iloc[train], y[train])
    error = model.predict(other.iloc[test]) - y[test]
    assert np.sqrt(np.mean(error**2)) < 0.7 * y[test].std()
