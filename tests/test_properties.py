"""What holds for every table of spectra, whatever its type, shape and place in memory.

The tables are drawn by hypothesis; conftest.py sees to it that every run draws the
same ones.
"""

import tempfile
import warnings
from collections import Counter
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skspectra import (
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    PLSRegressionCV,
    SpectralClassifier,
    SpectralRegressor,
    SpectralStackingRegressor,
    nn,
)

METHODS = ["standard", "minmax", "area", "max", "robust"]
CENTRING = ["standard", "minmax", "robust"]
MASKINGS = ["random", "block", "self_guided", "matched_spans"]
FLOATS = ["f2", "f4", "f8", "g", ">f2", ">f4", ">f8"]
WHOLE = ["i1", "i2", "i4", "i8", ">i2", ">i8", "u1", "u2", "u4", "u8", ">u4", "?"]

methods = st.sampled_from(METHODS)


# ---- tables


few = st.integers(1, 12)


def tables(n_channels=few, dtypes=FLOATS + WHOLE, largest=100):
    """Draw tables of small numbers, which every one of the types holds exactly."""

    @st.composite
    def draw_table(draw):
        # Half of them of the types that are not converted, and so not copied.
        native = [dtype for dtype in dtypes if dtype in ("f4", "f8")]
        kinds = st.sampled_from(native) | st.sampled_from(dtypes)
        dtype = np.dtype(draw(kinds))
        ranges = {"b": (0, 1), "u": (0, largest)}
        low, high = ranges.get(dtype.kind, (-largest, largest))
        shape = draw(st.integers(1, 6)), draw(n_channels)
        values = draw(hnp.arrays(np.int64, shape, elements=st.integers(low, high)))
        return (values / 8 if dtype.kind == "f" else values).astype(dtype)

    return draw_table()


def float64_tables(**options):
    return tables(dtypes=["f8"], **options)


def in_a_file(X):
    with tempfile.TemporaryFile() as file:
        file.write(X.tobytes())
        file.flush()
        return np.memmap(file, X.dtype, "r", shape=X.shape)


def off_the_grid(X):
    """Begin at an odd address, as a field of a packed record does."""
    record = np.zeros(X.shape, np.dtype([("flag", "u1"), ("value", X.dtype)]))
    record["value"] = X
    return record["value"]


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every second row, every third channel": lambda X: np.repeat(
        np.repeat(X, 2, axis=0), 3, axis=1
    )[::2, ::3],
    "reversed rows": lambda X: X[::-1].copy()[::-1],
    "reversed channels": lambda X: X[:, ::-1].copy()[:, ::-1],
    "all reversed, Fortran": lambda X: np.asfortranarray(X[::-1, ::-1])[::-1, ::-1],
    "a part of a wider table": lambda X: np.pad(X, 2)[2:-2, 2:-2],
    "in a file": in_a_file,
    "off the grid": off_the_grid,
}


@st.composite
def laid_out(draw, tables):
    """Draw a table, and the same in some layout, perhaps not to be written to."""
    X = draw(tables)
    other = LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](X)
    if draw(st.booleans()):
        other.flags.writeable = False
    return X, other


def plain(X):
    return np.array(X, dtype=np.float64, order="C")


def untouched(function, X):
    """Call a function, and see that it wrote nothing into X and gave no part of it."""
    before = X.tobytes()
    result = function(X)
    assert X.tobytes() == before
    assert not np.may_share_memory(result, X)
    return result


# ---- InstanceNormalizer


def normalise(X, method):
    """Return the result, and the warning of flat spectra or "" where there is none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        out = InstanceNormalizer(method).transform(X)
    messages = [str(each.message) for each in caught]
    assert len(messages) <= 1
    assert all("spectra are flat and became zeros" in each for each in messages)
    return out, "".join(messages)


def normalised(X, method):
    return normalise(X, method)[0]


@given(laid_out(tables()), methods)
def test_normalising_sees_values_alone_and_not_how_they_are_kept(tables, method):
    X, other = tables
    expected, message = normalise(plain(X), method)
    out = untouched(lambda X: normalised(X, method), other)
    # Native float32 is preserved, as the tags say; all else becomes float64.
    dtype = np.float32 if X.dtype == np.float32 else np.float64
    assert out.dtype == dtype
    assert_array_equal(out, expected.astype(dtype))
    assert normalise(other, method)[1] == message


@given(laid_out(float64_tables()), methods, st.data())
def test_normalising_a_frame_sees_values_alone(tables, method, data):
    X, other = tables
    frame = pd.DataFrame(other)
    # Each column in a type of its own, if it holds these values.
    kinds = data.draw(st.lists(st.sampled_from(["f2", "f4", "f8", "i2"]), min_size=1))
    for place, column in enumerate(frame.columns):
        kind = kinds[place % len(kinds)]
        if (X[:, place].astype(kind) == X[:, place]).all():
            frame = frame.astype({column: kind})
    out = normalised(frame, method)
    assert_array_equal(out, normalised(X, method).astype(out.dtype))


@given(tables(), methods, st.data())
def test_spectra_are_normalised_one_by_one(X, method, data):
    together = normalised(X, method)
    rows = data.draw(st.lists(st.integers(0, len(X) - 1), min_size=1, max_size=9))
    assert_array_equal(normalised(X[rows], method), together[rows])


@given(tables(), methods, st.randoms(use_true_random=False))
def test_permuted_channels_are_permuted_results(X, method, random):
    order = random.sample(range(X.shape[1]), X.shape[1])
    out, expected = normalised(X[:, order], method), normalised(X, method)[:, order]
    # Sums are rounded in another order, then to the type of the result.
    assert_allclose(out, expected, rtol=1e-6 if X.dtype == "f4" else 0, atol=1e-12)


@given(float64_tables(), methods, st.integers(-900, 900))
def test_a_power_of_two_changes_no_bit(X, method, exponent):
    out = normalised(np.ldexp(X, exponent), method)
    assert_array_equal(out, normalised(X, method))


@given(float64_tables(), methods, st.floats(1e-250, 1e250))
def test_a_positive_factor_changes_nothing(X, method, factor):
    out, message = normalise(X * factor, method)
    expected, other_message = normalise(X, method)
    assert message == other_message
    assert_allclose(out, expected, rtol=0, atol=1e-11)


@given(float64_tables(), methods)
def test_a_changed_sign_changes_the_sign(X, method):
    out, expected = normalised(-X, method), -normalised(X, method)
    if method == "minmax":
        flat = (expected == 0).all(axis=1, keepdims=True)
        expected = np.where(flat, 0.0, 1 + expected)
    assert_allclose(out, expected, rtol=0, atol=1e-12)


@given(float64_tables(), st.sampled_from(CENTRING), st.floats(-1e3, 1e3))
def test_an_offset_changes_nothing(X, method, offset):
    out, message = normalise(X + offset, method)
    expected, other_message = normalise(X, method)
    # An offset rounds away the last digits of a spectrum, up to 1e-13 of these.
    assert message == other_message
    assert_allclose(out, expected, rtol=0, atol=1e-9)


@given(float64_tables(), methods)
def test_normalising_twice_is_normalising_once(X, method):
    once, message = normalise(X, method)
    twice, again = normalise(once, method)
    assert again == message  # zeros are flat too
    if method in ("minmax", "max"):
        assert_array_equal(twice, once)
    assert_allclose(twice, once, rtol=0, atol=1e-12)


@given(tables(n_channels=st.integers(2, 12)), methods, st.data())
def test_flat_spectra_are_zeros_and_counted_in_one_warning(X, method, data):
    flat = data.draw(hnp.arrays(bool, len(X)))
    level = data.draw(hnp.from_dtype(X.dtype)) if method in CENTRING else 0
    assume(np.isfinite(np.float64(level)))
    X[flat] = level
    spread = {
        "area": np.abs(plain(X)).max(axis=1),
        "max": np.abs(plain(X)).max(axis=1),
        "robust": np.subtract(*np.percentile(plain(X), (75, 25), axis=1)),
    }.get(method, np.ptp(plain(X), axis=1))
    flat = spread == 0
    out, message = normalise(X, method)
    assert_array_equal((out == 0).all(axis=1), flat)
    assert message == (
        f"{flat.sum()} of {len(X)} spectra are flat and became zeros; "
        f"the first is row {flat.argmax()}."
        if flat.any()
        else ""
    )


@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
        elements={"allow_nan": False, "allow_infinity": False},
    ),
    methods,
)
def test_any_finite_numbers_give_finite_ones_in_their_range(X, method):
    out = normalised(X, method)
    assert np.isfinite(out).all()
    if method in ("minmax", "area", "max"):
        assert out.min() >= (0 if method == "minmax" else -1)
        assert out.max() <= 1
    if method == "standard":
        # ddof=0: no channel is further away than the square root of their number.
        assert np.abs(out).max() <= np.sqrt(X.shape[1]) * (1 + 1e-6)


# ---- tokens


@given(
    hnp.arrays(
        st.sampled_from(["f2", "f4", "f8", "i4", "u1", "?"]),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=17),
    ),
    st.integers(1, 20),
)
def test_patches_hold_each_channel_once_and_can_be_laid_back(values, patch_size):
    x = torch.from_numpy(values)
    n_channels = x.shape[-1]
    patches = nn.patchify(x, patch_size)
    n_tokens = nn.count_tokens(n_channels, patch_size)
    assert patches.shape == (*x.shape[:-1], n_tokens, patch_size)
    assert patches.dtype == x.dtype
    assert 0 <= n_tokens * patch_size - n_channels < patch_size
    bits = patches.numpy().reshape(*x.shape[:-1], -1)
    assert bits[..., :n_channels].tobytes() == values.tobytes()  # NaN and -0 too
    assert not bits[..., n_channels:].any()
    laid_back = nn.unpatchify(patches, n_channels).numpy()
    assert laid_back.tobytes() == values.tobytes()


def attention(batch, n_tokens):
    return torch.randn(2, batch, 3, n_tokens, 5).unbind()


def draw_mask(masking, batch, n_tokens, n_hidden, length, guided_share):
    if masking == "random":
        return nn.random_mask(batch, n_tokens, n_hidden)
    if masking == "block":
        return nn.block_mask(batch, n_tokens, n_hidden, length)
    guided = nn.self_guided_mask(*attention(batch, n_tokens), n_hidden, guided_share)
    if masking == "matched_spans":
        return nn.matched_spans(guided[0], n_hidden)
    return guided


@st.composite
def masks(draw, n_tokens=None):
    """Draw a mask of any kind, and the ids that go with it."""
    n_tokens = draw(st.integers(2, 40)) if n_tokens is None else n_tokens
    n_hidden = draw(st.integers(1, n_tokens - 1))
    torch.manual_seed(draw(st.integers(0, 2**31)))
    mask, ids_keep = draw_mask(
        draw(st.sampled_from(MASKINGS)),
        draw(st.integers(1, 6)),
        n_tokens,
        n_hidden,
        draw(st.floats(1e-3, 1e6)),
        draw(st.floats(0, 1)),
    )
    return n_hidden, mask, ids_keep


@given(masks())
def test_what_is_hidden_and_what_is_kept_are_all(drawn):
    n_hidden, mask, ids_keep = drawn
    batch, n_tokens = mask.shape
    assert mask.dtype == torch.bool
    assert ids_keep.dtype == torch.int64
    assert (mask.sum(dim=1) == n_hidden).all()
    assert ids_keep.shape == (batch, n_tokens - n_hidden)
    assert (ids_keep.diff(dim=1) > 0).all()
    assert torch.equal(nn.visible_ids(mask), ids_keep)
    for row, kept in zip(mask, ids_keep, strict=True):
        hidden = row.nonzero().ravel().tolist()
        assert sorted(hidden + kept.tolist()) == list(range(n_tokens))


def runs_on_a_ring(row):
    """Return how often there is a run of each kind and length, and the kinds of tokens.

    The last token lies beside the first.
    """
    row = np.asarray(row)
    starts = np.flatnonzero(row != np.roll(row, 1))
    lengths = np.diff(starts, append=starts[0] + len(row))
    return Counter(zip(row[starts].tolist(), lengths.tolist(), strict=True))


@given(masks())
def test_matched_spans_are_those_of_the_row_before(drawn):
    n_hidden, mask, _ = drawn
    spans, _ = nn.matched_spans(mask, n_hidden)
    for before, after in zip(mask.roll(1, dims=0), spans, strict=True):
        assert runs_on_a_ring(before) == runs_on_a_ring(after)


@given(st.integers(2, 300), st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_at_least_one_token_is_hidden_and_one_seen(n_tokens, mask_ratio):
    if round(mask_ratio * n_tokens) == n_tokens:
        with pytest.raises(ValueError, match=f"hides all of the {n_tokens} patches"):
            nn.count_hidden(n_tokens, mask_ratio)
        return
    n_hidden = nn.count_hidden(n_tokens, mask_ratio)
    assert 1 <= n_hidden < n_tokens
    assert n_hidden == 1 or abs(n_hidden - mask_ratio * n_tokens) <= 0.5


@cache
def encoder(hidden_tokens, kind, n_channels, patch_size):
    torch.manual_seed(0)
    module = nn.SpectralEncoder(
        n_channels,
        patch_size=patch_size,
        embed_dim=8,
        depth=2,
        n_heads=2,
        positions="sine_cosine",
        hidden_tokens=hidden_tokens,
        encoder=kind,
    )
    return module.double().eval()


@st.composite
def encoders(draw):
    n_channels = draw(st.integers(2, 23))
    return encoder(
        draw(st.sampled_from(["drop", "replace"])),
        draw(st.sampled_from(["transformer", "state_space"])),
        n_channels,
        draw(st.integers(1, (n_channels + 1) // 2)),
    )


@given(encoders(), st.data())
@torch.no_grad()
def test_what_is_hidden_has_no_influence(encoder, data):
    _, mask, ids_keep = data.draw(masks(encoder.n_tokens))
    x = torch.randn(len(mask), encoder.n_channels, dtype=torch.float64)
    tokens = encoder(x, mask, ids_keep)
    hidden = nn.hidden_channels(mask, encoder)
    for other in (torch.nan, torch.inf, 1e300, 0.0):
        changed = torch.where(hidden, other, x)
        assert torch.equal(encoder(changed, mask, ids_keep), tokens)
    # What is seen does have some: else the test could not fail.
    changed = torch.where(hidden, x, x + 1)
    assert not torch.equal(encoder(changed, mask, ids_keep), tokens)


@given(encoders(), st.data())
@torch.no_grad()
def test_tokens_of_a_spectrum_do_not_depend_on_its_company(encoder, data):
    _, mask, ids_keep = data.draw(masks(encoder.n_tokens))
    x = torch.randn(len(mask), encoder.n_channels, dtype=torch.float64)
    rows = data.draw(st.lists(st.integers(0, len(x) - 1), min_size=1, max_size=9))
    tokens = encoder(x, mask, ids_keep)[rows]
    assert_allclose(encoder(x[rows], mask[rows], ids_keep[rows]), tokens, atol=1e-12)


@given(encoders())
@settings(max_examples=20)
@torch.no_grad()
def test_hiding_nothing_is_no_mask(encoder):
    x = torch.randn(3, encoder.n_channels, dtype=torch.float64)
    nothing = torch.zeros(3, encoder.n_tokens, dtype=torch.bool)
    tokens = encoder(x, nothing, nn.visible_ids(nothing))
    assert_allclose(tokens, encoder(x), atol=1e-12)


# ---- fitted estimators


def tiny_pretrainer(**parameters):
    defaults = dict(
        patch_size=4,
        embed_dim=8,
        depth=1,
        n_heads=2,
        decoder_dim=8,
        decoder_n_heads=2,
        max_epochs=2,
        random_state=0,
    )
    return MaskedSpectralPretrainer(**{**defaults, **parameters})


def spectra(n_samples, n_channels):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_samples, n_channels)).cumsum(axis=1) + 3


# With 22 channels the last patch is filled up, with 24 there is nothing to fill.
N_CHANNELS = [22, 24]


@cache
def pretrainer(n_channels):
    return tiny_pretrainer().fit(spectra(40, n_channels))


def asked(method, n_channels):
    """Return a function from spectra to what the pretrainer says of them."""
    model = pretrainer(n_channels)
    if method == "reconstruct":
        # The same channels of each, for masks are drawn for a whole table.
        hidden = np.arange(n_channels) // 4 % 2 == 1
        return lambda X: model.reconstruct(X, hidden).reconstruction
    return getattr(model, method)


@st.composite
def tables_to_embed(draw):
    """Draw tables with the number of channels of one of the pretrainers."""
    n_channels = draw(st.sampled_from(N_CHANNELS))
    return draw(laid_out(tables(st.just(n_channels), largest=40)))


@pytest.mark.parametrize("method", ["transform", "score_samples", "reconstruct"])
@given(tables_to_embed())
@settings(max_examples=12)
def test_a_pretrainer_sees_values_alone_and_not_how_they_are_kept(method, tables):
    X, other = tables
    ask = asked(method, X.shape[1])
    assert_array_equal(untouched(ask, other), ask(plain(X)))


@given(tables_to_embed())
@settings(max_examples=10)
def test_score_and_mask_do_not_ask_how_values_are_kept(tables):
    X, other = tables
    model = pretrainer(X.shape[1])
    assert model.score(other) == model.score(plain(X))
    hidden = model.reconstruct(other).hidden
    assert_array_equal(hidden, model.reconstruct(plain(X)).hidden)


@pytest.mark.parametrize("n_channels", N_CHANNELS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_fit_does_not_ask_how_values_are_kept(n_channels, layout):
    X = spectra(40, n_channels)  # sums of these are rounded
    expected = pretrainer(n_channels)
    model = tiny_pretrainer().fit(LAYOUTS[layout](X))
    assert model.loss_curve_ == expected.loss_curve_
    assert_array_equal(model.mean_, expected.mean_)
    assert_array_equal(model.transform(X), expected.transform(X))


@pytest.mark.parametrize("n_channels", N_CHANNELS)
def test_permuted_channels_are_another_spectrum_to_a_pretrainer(n_channels):
    X = spectra(40, n_channels)
    order = np.random.default_rng(1).permutation(n_channels)
    together = pretrainer(n_channels).transform(X)
    again = tiny_pretrainer().fit(X[:, order]).transform(X[:, order])
    assert np.abs(together - again).max() > 1e-2


ESTIMATORS = {
    "regressor": SpectralRegressor(tiny_pretrainer(), max_epochs=2, random_state=0),
    "probe": SpectralRegressor(tiny_pretrainer(), strategy="probe", random_state=0),
    "state space": SpectralRegressor(
        tiny_pretrainer(encoder="state_space"), max_epochs=2, random_state=0
    ),
    "classifier": SpectralClassifier(tiny_pretrainer(), max_epochs=2, random_state=0),
    "stack": SpectralStackingRegressor(cv=2, random_state=0),
    "PLS": PLSRegressionCV(max_components=5),
}


@cache
def predictor(name, n_channels):
    """Return what predicts, fitted."""
    X = spectra(40, n_channels)
    y = X[:, 5] - X[:, 11]
    model = clone(ESTIMATORS[name])
    if name == "classifier":
        return model.fit(X, y > np.median(y)).predict_proba
    return model.fit(X, y).predict


# Four full batches of the networks, a full pass of the embedding, and some more.
N_NEW = 257
new_spectra = st.sampled_from([spectra(40 + N_NEW, n)[40:] for n in N_CHANNELS])


@st.composite
def company(draw):
    """Draw new spectra, another order of them, and where to cut that into batches."""
    cuts = draw(st.sets(st.integers(1, N_NEW - 1), max_size=12))
    order = draw(st.randoms(use_true_random=False)).sample(range(N_NEW), N_NEW)
    return draw(new_spectra), np.split(order, sorted(cuts | {1}))  # one stands alone


@pytest.mark.parametrize("method", ["transform", "score_samples", "reconstruct"])
@given(company())
@settings(max_examples=8)
def test_what_a_pretrainer_says_depends_on_no_other_spectrum(method, company):
    X, batches = company
    ask = asked(method, X.shape[1])
    apart = np.concatenate([ask(X[rows]) for rows in batches])
    # The embedding is float32, all else float64.
    rounding = 1e-6 if method == "transform" else 1e-12
    together = ask(X)[np.concatenate(batches)]
    assert_allclose(apart, together, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("name", ESTIMATORS)
@given(company())
@settings(max_examples=12)
def test_a_prediction_depends_on_no_other_spectrum(name, company):
    X, batches = company
    predict = predictor(name, X.shape[1])
    apart = np.concatenate([predict(X[rows]) for rows in batches])
    together = predict(X)[np.concatenate(batches)]
    assert_allclose(apart, together, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.* spectra are flat")
@pytest.mark.parametrize("name", ESTIMATORS)
@given(tables_to_embed())
@settings(max_examples=10)
def test_a_prediction_does_not_ask_how_values_are_kept(name, tables):
    X, other = tables
    predict = predictor(name, X.shape[1])
    out = untouched(predict, other)
    # PLS multiplies the table as it lies; networks get rows of their own.
    rounding = 1e-12 if name in ("stack", "PLS") else 0
    assert_allclose(out, predict(plain(X)), rtol=rounding, atol=rounding)
