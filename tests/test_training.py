"""What makes a training fast must not change what it computes."""

import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch._dynamo.testing import CompileCounter
from torch.utils._python_dispatch import TorchDispatchMode

from skspectra import MaskedSpectralPretrainer, SpectralRegressor
from skspectra._batches import HeldRows
from skspectra._inference import resolve_precision
from skspectra._training import count_steps, train
from skspectra.nn import MaskedAutoencoder, ReconstructionObjective, SpectralEncoder

CPU = torch.device("cpu")


def spectra(n_samples=64, n_channels=48):
    return np.random.RandomState(0).randn(n_samples, n_channels).cumsum(axis=1)


def small(**options):
    options = {
        "patch_size": 8,
        "embed_dim": 16,
        "depth": 1,
        "decoder_dim": 16,
        "max_epochs": 2,
        "batch_size": 16,
        "precision": "float32",
        "random_state": 0,
    } | options
    return MaskedSpectralPretrainer(**options)


class CountFetches(TorchDispatchMode):
    """Count what a GPU would be waited for: numbers that Python or a shape needs."""

    WAITED_FOR = ("_local_scalar_dense", "nonzero", "masked_select", "equal")

    def __init__(self):
        super().__init__()
        self.n_fetches = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        by_mask |= name == "repeat_interleave" and isinstance(args[-1], torch.Tensor)
        self.n_fetches += by_mask or name in self.WAITED_FOR or "unique" in name
        return func(*args, **kwargs or {})


def n_fetches(fit):
    with CountFetches() as counted:
        fit()
    return counted.n_fetches


def test_what_is_waited_for_is_counted():
    x = torch.arange(4.0)
    assert n_fetches(lambda: x.sum().item()) == 1
    assert n_fetches(lambda: (x > 1).nonzero()) == 1
    assert n_fetches(lambda: x[x > 1]) == 1
    assert n_fetches(lambda: torch.unique(x)) == 1
    assert n_fetches(lambda: x.clone().__setitem__(x > 1, x[:2])) == 1
    assert n_fetches(lambda: x.repeat_interleave(torch.arange(4))) == 1
    few = torch.tensor([1, 2])
    assert n_fetches(lambda: x[few].sum()) == 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"masking": "block"},
        {"masking": "self_guided"},
        {"masking": "matched_spans"},
        {"hidden_tokens": "replace"},
        {"encoder": "state_space"},
        {"loss": "mse+wasserstein"},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_no_step_waits_for_the_device(options):
    X = spectra()
    few = n_fetches(lambda: small(batch_size=32, **options).fit(X))
    many = n_fetches(lambda: small(batch_size=8, **options).fit(X))
    assert many == few  # so many an epoch, whatever the number of steps


def test_no_step_of_fine_tuning_waits_for_the_device():
    X = spectra()

    def fit(batch_size):
        model = SpectralRegressor(
            small(max_epochs=0),
            batch_size=batch_size,
            max_epochs=2,
            augmentation=0.1,
            random_state=0,
        )
        return n_fetches(lambda: model.fit(X, X[:, 5]))

    assert fit(8) == fit(32)


def objective(masking, n_steps):
    encoder = SpectralEncoder(
        48,
        patch_size=4,
        embed_dim=16,
        depth=1,
        n_heads=2,
        positions="sine_cosine",
        hidden_tokens="drop",
    )
    autoencoder = MaskedAutoencoder(
        encoder, decoder_dim=16, decoder_depth=1, decoder_n_heads=2, positions="learned"
    )
    return ReconstructionObjective(
        autoencoder, 0.5, masking=masking, n_annealing_steps=n_steps
    )


def test_the_trainer_is_adamw_written_by_hand():
    """Warmup and cosine, decay of matrices alone, gradients cut, batches shuffled."""
    x = spectra().astype(np.float32)
    n_epochs, batch, lr, decay, warmup = 3, 24, 3e-3, 0.1, 0.3
    result = train(
        lambda n_steps: objective("random", 0),
        HeldRows(x),
        seed=7,
        lr=lr,
        weight_decay=decay,
        warmup=warmup,
        max_epochs=n_epochs,
        batch_size=batch,
        precision="float32",
        device="cpu",
    )

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        module = objective("random", 0)
        parameters = [p for _, p in module.named_parameters()]
        first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        n_steps = count_steps(len(x), batch, n_epochs)
        n_warmup, step, curve = round(warmup * n_steps), 0, []
        for _ in range(n_epochs):
            total = 0.0
            for rows in torch.randperm(len(x)).split(batch):
                loss = module(torch.from_numpy(x)[rows])
                gradients = torch.autograd.grad(loss, parameters)
                norm = torch.stack([g.norm() for g in gradients]).norm()
                if step < n_warmup:
                    rate = lr * (step + 1) / n_warmup
                else:
                    part = (step - n_warmup) / (n_steps - n_warmup)
                    rate = lr * 0.5 * (1 + np.cos(np.pi * part))
                step += 1
                with torch.no_grad():
                    for p, g, m, v in zip(
                        parameters, gradients, first, second, strict=True
                    ):
                        g = g * min(1.0, 1.0 / (norm + 1e-6))
                        m.lerp_(g, 0.1)
                        v.lerp_(g**2, 0.001)
                        p *= 1 - rate * decay * (p.ndim > 1)
                        unbiased = v / (1 - 0.999**step)
                        p -= rate * m / (1 - 0.9**step) / (unbiased.sqrt() + 1e-8)
                total += loss.item() * len(rows)
            curve.append(total / len(x))

    np.testing.assert_allclose(result.loss_curve, curve, rtol=1e-4)
    for (name, trained), by_hand in zip(
        result.module.named_parameters(), parameters, strict=True
    ):
        got, expected = trained.detach(), by_hand.detach()
        if name.endswith("qkv.bias"):
            # A bias of the keys changes no attention: its gradient is rounding alone.
            (got, _, _), (expected, _, _) = got.chunk(3), expected.chunk(3)
        np.testing.assert_allclose(got, expected, atol=2e-5, err_msg=name)


@pytest.fixture
def counter(monkeypatch):
    """Trace as torch's compiler does, count the graphs, and run them as they are."""
    counter = CompileCounter()
    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, mode: compiler(f, backend=counter))
    return counter


@pytest.mark.parametrize(
    "options", [{}, {"masking": "self_guided"}, {"encoder": "state_space"}], ids=str
)
def test_compiling_changes_neither_the_numbers_nor_needs_repeating(counter, options):
    X = spectra(40)
    plain = small(**options, max_epochs=4).fit(X)
    compiled = small(**options, max_epochs=4, compile=True).fit(X)
    np.testing.assert_allclose(compiled.loss_curve_, plain.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(compiled.transform(X), plain.transform(X), atol=1e-5)
    # Batches of 16 and of 8: two shapes, or one for all sizes. And twelve steps.
    # torch 2.6 cuts a graph in two at a Fourier transform of any size.
    most = 5 if torch.__version__ < "2.7" and "encoder" in options else 3
    assert 1 <= counter.frame_count <= most
    assert pickle.loads(pickle.dumps(compiled)).score(X) == compiled.score(X)


def test_every_training_is_compiled_however_many_there_were(counter):
    for embed_dim in range(4, 44, 4):  # torch keeps eight
        before = counter.frame_count
        small(embed_dim=embed_dim, max_epochs=1, compile=True).fit(spectra(32))
        assert counter.frame_count > before


def test_what_was_compiled_is_forgotten_when_a_training_fails_too(counter, monkeypatch):
    class Interrupt(Callback):
        def on_batch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    n_resets = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: n_resets.append(1))
    with pytest.raises(KeyboardInterrupt):
        small(compile=True, callbacks=[Interrupt()]).fit(spectra())
    assert len(n_resets) == 1


def test_fine_tuning_compiles_too(counter):
    X = spectra(40)
    options = {"max_epochs": 3, "augmentation": 0.1, "precision": "float32"}
    models = [
        SpectralRegressor(small(max_epochs=0), compile=c, random_state=0, **options)
        for c in (False, True)
    ]
    plain = models[0].fit(X, X[:, 5]).predict(X)
    np.testing.assert_allclose(models[1].fit(X, X[:, 5]).predict(X), plain, atol=1e-3)
    assert counter.frame_count >= 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("precision, rtol", [("float32", 1e-4), ("bfloat16", 1e-2)])
def test_code_compiled_for_this_machine_trains_alike(precision, rtol):
    X = spectra()
    plain = small(max_epochs=3, precision=precision).fit(X)
    compiled = small(max_epochs=3, precision=precision, compile=True).fit(X)
    np.testing.assert_allclose(compiled.loss_curve_, plain.loss_curve_, rtol=rtol)


@pytest.mark.parametrize("masking", ["random", "self_guided"])
def test_every_weight_is_trained_in_bfloat16_too(masking):
    module = objective(masking, 0)
    with torch.autocast("cpu", torch.bfloat16):
        module(torch.randn(4, 48)).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_evaluating_between_steps_changes_nothing():
    class Evaluate(Callback):
        def on_batch_end(self, net, batch, training, **kwargs):
            if training:
                net.validation_step(batch)

    X = spectra()
    options = {"masking": "self_guided", "mask_ratio": 0.5, "max_epochs": 4}

    class Draw(Callback):
        """Draw as many numbers as `Evaluate` does."""

        def on_batch_end(self, net, batch, training, **kwargs):
            if training:
                with torch.no_grad():
                    net.module_.draw_mask(*batch)

    one = small(**options, callbacks=[Evaluate()]).fit(X)
    other = small(**options, callbacks=[Draw()]).fit(X)
    assert one.loss_curve_ == other.loss_curve_


@pytest.mark.parametrize(
    "capabilities, expected",
    [
        ({"amx_bf16": True, "avx512_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False}, None),
        ({}, None),
    ],
)
def test_auto_takes_bfloat16_where_the_processor_multiplies_it(
    monkeypatch, capabilities, expected
):
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: capabilities, raising=False
    )
    assert resolve_precision("auto", CPU, 2**20) is expected
    assert resolve_precision("auto", CPU, 2**10) is None  # too small to gain by it
    assert resolve_precision("float32", CPU, 2**20) is None
    assert resolve_precision("bfloat16", CPU, 2**10) is torch.bfloat16


def test_bfloat16_learns_as_much_as_float32():
    X = spectra(120)
    scores = {
        precision: np.array(
            [
                small(precision=precision, max_epochs=60, lr=3e-3, random_state=seed)
                .fit(X[:80])
                .score(X[80:])
                for seed in range(3)
            ]
        )
        for precision in ("float32", "bfloat16")
    }
    noise = scores["float32"].std(ddof=1) + 0.01
    assert scores["float32"].min() > 0.5
    assert abs(scores["bfloat16"].mean() - scores["float32"].mean()) < 2 * noise
    assert (scores["bfloat16"] != scores["float32"]).all()


def test_user_callbacks_see_every_batch_and_gradient():
    seen = {"begin": 0, "end": 0, "grad": 0}

    class Watch(Callback):
        def on_batch_begin(self, net, training, **kwargs):
            seen["begin"] += training

        def on_batch_end(self, net, training, loss, **kwargs):
            seen["end"] += training and bool(loss.isfinite())

        def on_grad_computed(self, net, named_parameters, **kwargs):
            norm = torch.stack([p.grad.norm() for _, p in named_parameters]).norm()
            seen["grad"] += float(norm) <= 1.0001

    small(callbacks=[Watch()], lr=1e-2).fit(1e3 * spectra())
    assert seen == {"begin": 8, "end": 8, "grad": 8}


def test_compiling_without_a_compiler_is_refused_at_once(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ValueError, match=r"needs a C\+\+ compiler .* compile=False"):
        small(compile=True, device="cpu").fit(spectra())


def test_a_bad_choice_to_compile_is_refused():
    with pytest.raises(ValueError, match="'compile' parameter of MaskedSpectral"):
        small(compile="yes").fit(spectra())


def test_whole_numbers_may_come_from_numpy():
    """As a grid gives them that was made by np.array."""
    X = spectra()
    names = ["patch_size", "embed_dim", "depth", "decoder_dim", "max_epochs"]
    whole = {name: getattr(small(), name) for name in [*names, "batch_size"]}
    from_numpy = small(**{name: np.int64(value) for name, value in whole.items()})
    np.testing.assert_array_equal(from_numpy.fit_transform(X), small().fit_transform(X))
