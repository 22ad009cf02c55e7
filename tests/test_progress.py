"""Who is told how far a training has come: people, scikit-learn and skorch."""

import contextlib
import copy
import io
import pickle
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, TensorBoard

from skspectra import (
    AxisResampler,
    InstanceNormalizer,
    MaskedSpectralPretrainer,
    PLSRegressionCV,
    SpectralClassifier,
    SpectralNoveltyDetector,
    SpectralRegressor,
    SpectralStackingRegressor,
    _callbacks,
    _progress,
    load_model,
    save_model,
)
from skspectra.evaluation import TunedPLS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 12)).cumsum(axis=1)
y = X[:, 3] - X[:, 8]

# Versions of scikit-learn before 1.9 have no callbacks.
HAS_CALLBACKS = hasattr(MaskedSpectralPretrainer, "set_callbacks")


def pretrainer(**parameters):
    sizes = dict(patch_size=2, embed_dim=8, depth=1, n_heads=2)
    sizes |= dict(decoder_dim=8, decoder_n_heads=2, max_epochs=3, random_state=0)
    return MaskedSpectralPretrainer(**sizes | parameters)


def regressor(inner=None, **parameters):
    inner = pretrainer() if inner is None else inner
    defaults = dict(max_epochs=4, random_state=0)
    return SpectralRegressor(inner, **defaults | parameters)


class Terminal(io.StringIO):
    """What says that it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Put a terminal in the place of the standard error stream."""
    stream = Terminal()
    # pytest puts its own stream into `sys` once the fixtures are there.
    seen = SimpleNamespace(stderr=stream, _getframe=sys._getframe)
    monkeypatch.setattr(_progress, "sys", seen)
    return stream


class Count(Callback):
    """Counts epochs, and keeps what it was told of their losses."""

    def __init__(self):
        self.losses = []

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1, "train_loss"])


class Stop(Callback):
    """Raises an error after so many batches."""

    def __init__(self, error, after):
        self.error, self.left = error, after

    def on_batch_end(self, net, **kwargs):
        self.left -= 1
        if self.left < 0:
            raise self.error


# What people see: `verbose`.


def test_a_bar_has_the_phase_the_epochs_the_loss_and_the_time_left(
    terminal, monkeypatch
):
    monkeypatch.setattr(_progress, "_BETWEEN", 0.0)  # a picture for every step
    regressor(verbose=1, batch_size=12).fit(X, y)
    pictures = terminal.getvalue().split("\r")
    pretraining = [line for line in pictures if line.startswith("pretraining |")]
    tuning = [line for line in pictures if line.startswith("fine-tuning |")]
    assert len(pretraining) > 3 and len(tuning) > 2 * 4  # two steps in an epoch
    assert "? left, 0/3 epochs" in pretraining[1]
    assert all(" left, " in line for line in tuning[1:-1])
    assert "00:00 left, 2/4 epochs, loss " in tuning[6]
    assert "took 00:0" in tuning[-1] and "4/4 epochs, loss " in tuning[-1]
    assert terminal.getvalue().count("\n") == 2  # each bar is closed


def test_the_bar_is_drawn_a_few_times_a_second(terminal, monkeypatch):
    assert _progress._BETWEEN >= 0.2
    monkeypatch.setattr(_progress, "_BETWEEN", 1000.0)  # however slow the machine
    pretrainer(max_epochs=20, verbose=1).fit(X)
    assert terminal.getvalue().count("\r") == 3  # two at the start, one at the end


def test_validation_loss_and_early_stopping_are_shown(terminal):
    model = regressor(FrozenEstimator(pretrainer().fit(X)), verbose=1)
    model.set_params(early_stopping=True, n_iter_no_change=1, lr=1.0, max_epochs=50)
    model.fit(X, y)
    last = terminal.getvalue().split("\r")[-1]
    assert model.n_iter_ < 50
    said = f"{model.n_iter_}/50 epochs, loss {model.loss_curve_[-1]:.3g}, "
    said += f"validation {-model.validation_scores_[-1]:.3g}, stopped early"
    assert said in last
    assert "pretraining" not in terminal.getvalue()  # it is frozen


def test_elsewhere_there_are_plain_lines_and_few_of_them(capsys, monkeypatch):
    regressor(verbose=1).fit(X, y)
    said = capsys.readouterr()
    assert said.out == "" and "\r" not in said.err
    first, second = said.err.splitlines()
    assert first.startswith("pretraining: 3/3 epochs, loss ")
    assert second.startswith("fine-tuning: 4/4 epochs, loss ")
    assert ", took 00:0" in first and ", took 00:0" in second
    clock = iter(range(0, 10**6, 4))  # four seconds a step
    monkeypatch.setattr(_progress, "perf_counter", lambda: next(clock))
    pretrainer(verbose=1, max_epochs=100).fit(X)
    lines = capsys.readouterr().err.splitlines()
    assert 10 < len(lines) < 30
    assert "2/100 epochs" in lines[0] and lines[0].endswith("06:28 left")
    assert lines[-1].endswith("took 06:44")


def test_a_terminal_without_width_gets_lines(monkeypatch):
    class Narrow(Terminal):
        def fileno(self):
            return 2

    monkeypatch.setattr("os.get_terminal_size", lambda _: _Size(0))
    monkeypatch.setattr(sys, "stderr", Narrow())
    pretrainer(verbose=1).fit(X)
    assert "\r" not in sys.stderr.getvalue()
    monkeypatch.setattr("os.get_terminal_size", lambda _: _Size(80))
    pretrainer(verbose=1).fit(X)
    assert "\r" in sys.stderr.getvalue()


class _Size:
    def __init__(self, columns):
        self.columns, self.lines = columns, 24


def test_silence_is_the_default_and_works_without_a_stream(capsys, monkeypatch):
    regressor().fit(X, y)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    regressor(verbose=1).fit(X, y)
    assert capsys.readouterr().out == ""


def test_a_resumed_training_starts_where_the_checkpoint_is(tmp_path, terminal):
    options = dict(checkpoint_dir=tmp_path, checkpoint_every=1, max_epochs=5)
    with pytest.raises(ZeroDivisionError):
        stopped = Stop(ZeroDivisionError(), after=3)
        pretrainer(callbacks=[stopped], **options).fit(X)
    pretrainer(verbose=1, **options).fit(X)
    first = terminal.getvalue().split("\r")[2]
    done = int(first.partition(" left, ")[2].partition("/5 epochs")[0])
    assert 1 <= done <= 3
    assert "|#" in first  # the bar begins with them, not at its left end
    assert "5/5 epochs" in terminal.getvalue()
    before = terminal.getvalue()
    pretrainer(verbose=1, **options).fit(X)  # it has ended: nothing is trained
    assert terminal.getvalue() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_stopped_training_closes_its_bar(error, terminal):
    model = pretrainer(verbose=1, callbacks=[Stop(error(), after=1)])
    with pytest.raises(error):
        model.fit(X)
    assert terminal.getvalue().endswith("\n")
    assert terminal.getvalue().count("\n") == 1
    with pytest.raises(NotFittedError):
        model.transform(X)
    assert not _progress._bar()._instances
    model.set_params(callbacks=None).fit(X)  # and the next one is drawn
    assert "3/3 epochs" in terminal.getvalue()


def test_bars_leave_no_thread_behind(terminal):
    before = threading.active_count()
    pretrainer(verbose=1).fit(X)
    assert threading.active_count() == before
    assert not _progress._bar()._instances


def test_bars_in_a_notebook_need_no_widgets(monkeypatch, recwarn):
    """A kernel's stream is no terminal, and ipywidgets may be missing."""
    kernel = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
    stream = kernel()
    monkeypatch.setattr(sys, "stderr", stream)
    pretrainer(verbose=1).fit(X)
    assert "\rpretraining |" in stream.getvalue()
    assert not recwarn.list


def grid(n_jobs, **options):
    model = regressor(pretrainer(max_epochs=1), max_epochs=1, verbose=1)
    options = dict(cv=2, n_jobs=n_jobs) | options
    return GridSearchCV(model, {"lr": [1e-3, 1e-4]}, **options)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grids_are_silent_but_for_the_last_fit(n_jobs, capfd):
    grid(n_jobs).fit(X, y)
    said = capfd.readouterr()
    lines = [line for line in said.err.splitlines() if "epochs" in line]
    assert [line.partition(":")[0] for line in lines] == ["pretraining", "fine-tuning"]
    assert "epochs" not in said.out
    grid(n_jobs, refit=False).fit(X, y)
    assert "epochs" not in capfd.readouterr().err


def test_folds_and_threads_are_silent(capsys):
    model = regressor(pretrainer(max_epochs=1), max_epochs=1, verbose=1)
    cross_val_score(model, X, y, cv=2)
    with parallel_config(backend="threading"):
        cross_val_score(model, X, y, cv=2, n_jobs=2)
    assert capsys.readouterr() == ("", "")


def test_what_is_shown_changes_no_weight(terminal):
    quiet, loud = pretrainer().fit(X), pretrainer(verbose=1).fit(X)
    assert np.array_equal(quiet.transform(X), loud.transform(X))
    assert quiet.loss_curve_ == loud.loss_curve_


def test_the_regressor_speaks_for_its_pretrainer_and_changes_no_parameter(capsys):
    inner = pretrainer()
    model = regressor(inner, verbose=1).fit(X, y)
    assert inner.verbose == 0 and model.pretrainer_.verbose == 0
    stack = SpectralStackingRegressor(pretrainer(verbose=1), cv=2, random_state=0)
    capsys.readouterr()
    stack.fit(X, y)
    assert capsys.readouterr().err.startswith("pretraining: 3/3 epochs")


# scikit-learn's callbacks: `set_callbacks`, from version 1.9 on.


class Record:
    """Keeps what it is told, and counts being set up and torn down."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.told, self.set_up, self.torn_down = [], 0, 0
        self.stop_after = stop_after

    def setup(self, estimator, context):
        self.set_up += 1

    def teardown(self, estimator, context):
        self.torn_down += 1

    def on_fit_task_begin(self, estimator, context):
        self.told.append(("begin", *self._names(estimator, context)))

    def on_fit_task_end(self, estimator, context):
        self.told.append(("end", *self._names(estimator, context)))
        stop = self.count("end", "epoch") == self.stop_after
        return stop and context.task_name == "epoch"

    def _names(self, estimator, context):
        names = []
        while context is not None:
            names.append(context.task_name)
            context = context.parent
        return type(estimator).__name__, *names

    def count(self, what, task, owner=None):
        return sum(
            each[0] == what and each[2] == task and owner in (None, each[1])
            for each in self.told
        )


OURS = [
    pretrainer(),
    regressor(),
    SpectralClassifier(pretrainer(), max_epochs=4, random_state=0),
    SpectralStackingRegressor(pretrainer(), cv=2, random_state=0),
    SpectralStackingRegressor(cv=2, random_state=0),
    PLSRegressionCV(3, cv=2),
    TunedPLS(3, window=5, cv=2),
    InstanceNormalizer(),
    AxisResampler(np.arange(12), source_axis=np.arange(12)),
    SpectralNoveltyDetector(cv=2),
    SpectralNoveltyDetector(pretrainer(), cv=2),
]


@pytest.mark.parametrize("model", OURS, ids=lambda model: type(model).__name__)
def test_callbacks_of_scikit_learn_are_told_of_every_fit(model):
    assert hasattr(model, "set_callbacks") == HAS_CALLBACKS
    target = y > 0 if isinstance(model, SpectralClassifier) else y
    alone = clone(model).fit(X, target)
    if not HAS_CALLBACKS:
        return
    record = Record()
    told = clone(model).set_callbacks(record)
    assert told.fit(X, target) is told
    assert record.set_up == record.torn_down == 1
    begun = [each[1:] for each in record.told if each[0] == "begin"]
    ended = [each[1:] for each in record.told if each[0] == "end"]
    assert sorted(begun) == sorted(ended)
    assert record.told[0][2:] == record.told[-1][2:] == ("fit",)
    epochs = {"MaskedSpectralPretrainer": 3, "SpectralStackingRegressor": 3}
    epochs |= {"SpectralRegressor": 3 + 4, "SpectralClassifier": 3 + 4}
    epochs |= {"SpectralNoveltyDetector": 3 + 2 * 3}  # and of two folds
    trains = getattr(model, "pretrainer", model) is not None
    expected = epochs.get(type(model).__name__, 0) if trains else 0
    assert record.count("end", "epoch") == expected
    assert not {name for name in vars(told) if "callback_" in name}
    answer = "predict" if hasattr(alone, "predict") else "transform"
    assert np.array_equal(getattr(told, answer)(X), getattr(alone, answer)(X))


def test_both_trainings_of_a_regressor_are_told_of_by_name():
    model = regressor()
    if not HAS_CALLBACKS:
        assert model.fit(X, y).n_iter_ == 4
        return
    record = Record()
    model.set_callbacks(record).fit(X, y)
    epochs = [each for each in record.told if each[:1] + each[2:3] == ("end", "epoch")]
    inner = ("end", "MaskedSpectralPretrainer", "epoch", "fit", "fit")
    assert epochs[:3] == [inner] * 3
    outer = ("end", "SpectralRegressor", "epoch", "fine-tuning", "fit")
    assert epochs[3:] == [outer] * 4
    # What does not train is no part: a frozen encoder, a probe.
    record = Record()
    frozen = FrozenEstimator(pretrainer().fit(X))
    regressor(frozen, strategy="probe").set_callbacks(record).fit(X, y)
    assert [each[2:] for each in record.told] == [("fit",)] * 2


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_pipelines_and_grids_hand_their_callbacks_on(n_jobs):
    steps = make_pipeline(InstanceNormalizer(), regressor())
    search = GridSearchCV(steps, {"spectralregressor__lr": [1e-3, 1e-4]}, cv=2)
    if not HAS_CALLBACKS:
        assert search.fit(X, y).best_estimator_[-1].n_iter_ == 4
        return
    record = Record()
    with parallel_config(backend="threading"):
        search.set_params(n_jobs=n_jobs).set_callbacks(record).fit(X, y)
    n_fits = 2 * 2 + 1
    assert record.count("end", "epoch") == n_fits * (3 + 4)
    assert record.count("end", "epoch", "SpectralRegressor") == n_fits * 4
    assert record.set_up == record.torn_down == 1


def test_a_callback_may_stop_a_training():
    model = regressor(pretrainer(max_epochs=30), max_epochs=30)
    if not HAS_CALLBACKS:
        assert model.fit(X, y).n_iter_ == 30
        return
    record = Record(stop_after=2)
    model.set_callbacks(record).fit(X, y)
    assert model.pretrainer_.n_iter_ == 2
    assert model.n_iter_ == 30  # it asked for the end of that one
    assert record.count("begin", "epoch") == record.count("end", "epoch") == 32


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_callbacks_are_torn_down_when_a_fit_fails(error):
    model = regressor(callbacks=[Stop(error(), after=1)])
    record = Record()
    if HAS_CALLBACKS:
        model.set_callbacks(record)
    with pytest.raises(error):
        model.fit(X, y)
    assert record.set_up == record.torn_down == int(HAS_CALLBACKS)
    assert not {name for name in vars(model) if "callback_" in name}


def test_wrong_parameters_are_told_before_callbacks_are():
    model, record = pretrainer(max_epochs="many"), Record()
    if HAS_CALLBACKS:
        model.set_callbacks(record)
    with pytest.raises(ValueError, match=r"'max_epochs' .* must be an int"):
        model.fit(X)
    assert record.told == []


def test_a_monitor_scores_the_model_after_each_epoch():
    labelled = np.where(np.arange(len(y)) % 3, y, np.nan)
    model = regressor(max_epochs=3, lr=1e-2)
    if not HAS_CALLBACKS:
        assert len(model.fit(X, labelled).loss_curve_) == 3
        return
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="r2")
    model.set_callbacks(monitor).fit(X, labelled)
    known = ~np.isnan(labelled)
    scored = [row for row in monitor.get_logs().data if "r2" in row]
    assert {row["task_name"] for row in scored} == {"epoch"}  # of the fit y has gaps
    scores = [row["r2"] for row in scored]
    assert len(scores) == 3 and len(set(scores)) == 3
    assert scores[-1] == pytest.approx(model.score(X[known], labelled[known]), abs=1e-6)
    explained = {"explained": lambda model, X, y: model.score(X)}
    monitor = ScoringMonitor(scoring=explained)
    one = pretrainer().set_callbacks(monitor).fit(X, y)
    row = monitor.get_logs().data[-1]
    assert row["explained"] == pytest.approx(one.score(X), abs=1e-6)
    assert np.array_equal(one.transform(X), pretrainer().fit(X).transform(X))


def test_callbacks_go_with_clones_and_pickles_and_not_into_files(tmp_path):
    model = pretrainer().fit(X)
    if not HAS_CALLBACKS:
        assert not hasattr(clone(model), "_skl_callbacks")
        return
    record = Record()
    model.set_callbacks(record)
    assert clone(model)._skl_callbacks == [record]
    assert len(pickle.loads(pickle.dumps(model))._skl_callbacks) == 1
    with pytest.warns(UserWarning, match="callbacks of MaskedSpectralPretrainer"):
        save_model(model, tmp_path / "model")
    twin = load_model(tmp_path / "model")
    assert not hasattr(twin, "_skl_callbacks")
    assert np.array_equal(twin.transform(X), model.transform(X))


def test_versions_without_callbacks_fit_as_ever(monkeypatch):
    """What stands in for scikit-learn's parts is tested with every version."""
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    source = _callbacks.__spec__.loader.get_source(_callbacks.__name__)
    old = type(sys)("skspectra._callbacks")
    exec(compile(source, _callbacks.__file__, "exec"), old.__dict__)

    class Fitted(old.CallbackMixin):
        @old.tells_callbacks
        def fit(self, X, y=None):
            with old.inner_fit(self, "part", self, X):
                epochs = old.TrainingEpochs(self, X, y, dict, ("part", 2))
            with epochs:
                epochs.begin()
                return epochs.end(None)

    assert not hasattr(Fitted, "set_callbacks")
    assert Fitted().fit(X) is False


# skorch's callbacks: the parameter `callbacks`.


class Logger:
    """What TensorBoard's writer is to a callback: it has a lock and a file."""

    def __init__(self, path):
        self.lock, self.file = threading.Lock(), path.open("w")

    def add_scalar(self, tag, scalar_value, global_step):
        self.file.write(f"{tag} {scalar_value} {global_step}\n")

    def close(self):
        self.file.close()


MODELS = {
    "pretrainer": lambda told: pretrainer(callbacks=told),
    "nested": lambda told: regressor(pretrainer(callbacks=told)),
    "regressor": lambda told: regressor(callbacks=told),
    "classifier": lambda told: SpectralClassifier(
        pretrainer(), max_epochs=4, random_state=0, callbacks=told
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_skorch_callbacks_get_every_epoch_of_every_estimator(name):
    count = Count()
    model = MODELS[name]([count]).fit(X, y > 0)
    trained = model.pretrainer_ if name == "nested" else model
    assert count.losses == trained.loss_curve_
    assert len(count.losses) == trained.n_iter_


def test_skorch_callbacks_get_the_epoch_that_early_stopping_ends_with():
    count = Count()
    frozen = FrozenEstimator(pretrainer().fit(X))
    model = regressor(frozen, callbacks=[count], early_stopping=True, max_epochs=50)
    model.set_params(n_iter_no_change=1, lr=1.0).fit(X, y)
    assert 0 < len(count.losses) == model.n_iter_ < 50


@pytest.mark.parametrize("name", MODELS)
def test_a_logger_with_open_files_is_no_trouble(name, tmp_path):
    logger = Logger(tmp_path / "log")
    told = [TensorBoard(logger, close_after_train=False)]
    model = clone(MODELS[name](told))  # as grids and pipelines do
    model.fit(X, y > 0)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        answer = "transform" if name == "pretrainer" else "predict"
        assert np.array_equal(getattr(twin, answer)(X), getattr(model, answer)(X))
        assert twin.get_params()["callbacks"] is None
        assert twin.get_params().get("pretrainer__callbacks") is None
    # The model itself goes on with them.
    nested = model.get_params().get("pretrainer__callbacks")
    assert (nested or model.callbacks) == told
    logger.close()
    lines = (tmp_path / "log").read_text().splitlines()
    trained = model.pretrainer_ if name == "nested" else model
    losses = [line.split() for line in lines if line.startswith("Loss/train_loss")]
    assert [float(loss) for _, loss, _ in losses] == trained.loss_curve_


def test_an_unfitted_pickle_has_its_callbacks_and_says_what_it_cannot_hold(tmp_path):
    assert pickle.loads(pickle.dumps(pretrainer(callbacks=[Count()]))).callbacks
    with contextlib.closing(Logger(tmp_path / "log")) as logger:
        told = [TensorBoard(logger)]
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(pretrainer(callbacks=told))


def test_clones_share_callbacks_and_not_the_list():
    count = Count()
    model = pretrainer(callbacks=[count]).fit(X)
    twin = clone(model)
    assert twin.callbacks == [count] and twin.callbacks is not model.callbacks
    assert twin.get_params() | {"callbacks": 0} == model.get_params() | {"callbacks": 0}
    with pytest.raises(NotFittedError):
        twin.transform(X)
    assert model.callbacks == [count]
