"""A training that is killed, called again and killed again loses nothing."""

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load
from sklearn.model_selection import cross_val_score
from skorch.callbacks import Callback

from skspectra import (
    MaskedSpectralPretrainer,
    SpectralRegressor,
    SpectralStackingRegressor,
)
from skspectra import _training as training
from skspectra._batches import HeldRows
from skspectra._checkpoint import Checkpoint, CheckpointFolder
from skspectra._training import train
from skspectra._whole_file import write_whole
from skspectra.exceptions import CheckpointError
from skspectra.nn import PredictionObjective, SpectralEncoder, SpectralPredictor

X = np.random.RandomState(0).randn(40, 24).cumsum(axis=1)
N_STEPS = 3 * 4  # epochs of 16, 16 and 8 rows


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    """Write every checkpoint that is asked for, however short the steps."""
    monkeypatch.setattr("skspectra._net._REST", 0)


def small(folder=None, **options):
    options = {"max_epochs": 4, "checkpoint_every": 1 / 3, "random_state": 0} | options
    return MaskedSpectralPretrainer(
        patch_size=4,
        embed_dim=8,
        depth=1,
        n_heads=2,
        decoder_dim=8,
        decoder_n_heads=2,
        batch_size=16,
        checkpoint_dir=folder,
        **options,
    )


def weights(module):
    return {name: weight.numpy() for name, weight in module.state_dict().items()}


def assert_same(one, other):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    for name, weight in one.items():
        assert (weight == other[name]).all(), name


class Interrupt(Callback):
    """Press Ctrl-C in a step, before anything of it is kept."""

    def __init__(self, in_step):
        self.in_step, self.n_steps_ = in_step, 0

    def on_batch_end(self, net, training, **kwargs):
        self.n_steps_ += training
        if self.n_steps_ == self.in_step:
            raise KeyboardInterrupt


class Draw(Callback):
    """Take numbers from the generator that the training draws from."""

    def on_epoch_begin(self, net, **kwargs):
        torch.rand(3)

    on_train_begin = on_batch_begin = on_batch_end = on_epoch_end = on_epoch_begin


class Count(Callback):
    def __init__(self):
        self.n_steps = 0

    def on_batch_end(self, net, training, **kwargs):
        self.n_steps += training


def interrupted(folder, in_step, **options):
    callbacks = [*options.pop("callbacks", []), Interrupt(in_step)]
    model = small(folder, callbacks=callbacks, **options)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert not hasattr(model, "module_")


def crash(kills):
    script = Path(__file__).with_name("crash.py")
    command = [sys.executable, str(script), "--kills", str(kills)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_crashes(kills):
    count = crash(kills)
    for name in ("dropout", "per-batch schedule", "early stopping", "mid-epoch"):
        assert count[f"{name}: kills"] >= kills
        assert count[f"{name}: trainings equal"] >= 1
    assert count["killed at a chosen moment: equal"] == 4
    assert count["full disk: refused by name, then equal"] == 1
    assert count["Ctrl-C: reached the caller"] == 1
    assert count["second process: refused"] == 1


def test_a_killed_training_ends_with_the_weights_of_an_undisturbed_one():
    check_crashes(kills=1)


@pytest.mark.slow
def test_a_training_may_be_killed_at_any_moment():
    check_crashes(kills=25)


@pytest.mark.parametrize("in_step", [1, 3, 4, 8, N_STEPS])
@pytest.mark.parametrize(
    "options",
    [
        {"masking": "self_guided", "mask_ratio": (0.3, 0.7)},
        {"hidden_tokens": "replace", "mask_token_lr_scale": 3.0},
        {"encoder": "state_space", "checkpoint_every": 1},
        {"loss": "mse+wasserstein", "checkpoint_every": 0.5},
        {"precision": "bfloat16", "checkpoint_every": 1.5},
    ],
    ids=str,
)
def test_ctrl_c_costs_nothing(options, in_step, tmp_path):
    undisturbed = small(**options).fit(X)
    interrupted(tmp_path, in_step, **options)
    resumed = small(tmp_path, **options).fit(X)
    assert_same(resumed.module_, undisturbed.module_)
    assert resumed.loss_curve_ == undisturbed.loss_curve_
    assert (resumed.transform(X) == undisturbed.transform(X)).all()


@pytest.mark.parametrize("callbacks", [[Draw(), Count()], [Count(), Draw()]])
def test_the_order_of_callbacks_does_not_matter(callbacks, tmp_path):
    undisturbed = small(callbacks=[Draw()]).fit(X)
    interrupted(tmp_path, 8, callbacks=callbacks)
    resumed = small(tmp_path, callbacks=callbacks[::-1]).fit(X)
    assert_same(resumed.module_, undisturbed.module_)


@pytest.mark.parametrize("in_step", [2, 5, 7, 20])
def test_early_stopping_goes_on_waiting(in_step, tmp_path):
    x = X.astype(np.float32) / 3
    # Half of it can be learnt: it gets better for a while and then worse.
    y = x[:, :1] + np.random.RandomState(1).randn(len(x), 1).astype(np.float32) / 3

    def build(n_steps):
        encoder = SpectralEncoder(
            24,
            patch_size=4,
            embed_dim=8,
            depth=1,
            n_heads=2,
            positions="learned",
            hidden_tokens="drop",
        )
        return PredictionObjective(SpectralPredictor(encoder, 1, "concatenate"), 0.5)

    def run(folder=None, callbacks=None, held_out=x[24:]):
        return train(
            build,
            HeldRows(x[:24], y[:24]),
            seed=0,
            lr=3e-3,
            weight_decay=0.0,
            warmup=0.0,
            max_epochs=40,
            batch_size=8,
            validation=HeldRows(held_out, y[24:]),
            n_iter_no_change=6,
            checkpoint_dir=folder,
            checkpoint_every=1 / 3,
            callbacks=callbacks,
        )

    undisturbed = run()
    assert 6 < len(undisturbed.loss_curve) < 40  # it did stop early
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, [Interrupt(in_step)])
    resumed = run(tmp_path)
    assert_same(resumed.module, undisturbed.module)
    assert resumed.loss_curve == undisturbed.loss_curve
    assert resumed.validation_curve == undisturbed.validation_curve
    with pytest.raises(CheckpointError, match="data was"):
        run(tmp_path, held_out=x[24:] + 1)


def test_a_finished_training_is_not_run_again(tmp_path):
    first = small(tmp_path).fit(X)
    again = small(tmp_path, checkpoint_every=7, callbacks=[count := Count()]).fit(X)
    assert count.n_steps == 0
    assert_same(again.module_, first.module_)
    assert again.loss_curve_ == first.loss_curve_ and again.n_iter_ == 4
    assert again.provenance_.seed == first.provenance_.seed


def test_work_that_is_done_is_not_done_again(tmp_path):
    interrupted(tmp_path, 8)
    small(tmp_path, callbacks=[count := Count()]).fit(X)
    assert count.n_steps == N_STEPS - 7


def test_without_a_seed_that_of_the_first_call_is_taken(tmp_path):
    interrupted(tmp_path, 8, random_state=None)
    resumed = small(tmp_path, random_state=None).fit(X)
    undisturbed = small(random_state=resumed.provenance_.seed).fit(X)
    assert_same(resumed.module_, undisturbed.module_)
    assert small(random_state=None).fit(X).provenance_.seed != resumed.provenance_.seed


@pytest.mark.parametrize(
    "change, said",
    [
        ({"lr": 2e-3}, "lr was 0.001 and is 0.002"),
        ({"mask_ratio": (0.3, 0.6)}, r"mask_ratio was 0.5 and is \[0.3, 0.6\]"),
        ({"max_epochs": 5}, "max_epochs was 4 and is 5"),
        ({"encoder": "state_space"}, "encoder was 'transformer' and is 'state_space'"),
        ({"x_axis": np.arange(24.0)}, "x_axis was None and is"),
        ({"random_state": 1}, "random_state was 0 and is 1"),
    ],
)
def test_other_parameters_are_refused_by_name(change, said, tmp_path):
    interrupted(tmp_path, 8)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    model = small(tmp_path, **change)
    with pytest.raises(CheckpointError, match=said) as refused:
        model.fit(X)
    assert str(tmp_path) in str(refused.value)
    assert str(refused.value).count(" was ") == 1  # that one difference alone
    assert not hasattr(model, "module_")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_other_data_and_versions_are_refused_by_name(tmp_path, monkeypatch):
    interrupted(tmp_path, 8)
    with pytest.raises(CheckpointError, match=r"data was '\(40, 24\).*\(39, 24\)"):
        small(tmp_path).fit(X[1:])
    other = X.copy()
    other[3, 5] += 1e-3
    with pytest.raises(CheckpointError, match=r"data was .* SHA-256"):
        small(tmp_path).fit(other)
    with pytest.raises(CheckpointError, match=r"scale was .* and is .*take None"):
        small(tmp_path).fit(1000 * X)  # the same once it is scaled
    versions = training.versions() | {"torch": "2.99"}
    with monkeypatch.context() as later:
        later.setattr(training, "versions", lambda: versions)
        with pytest.raises(CheckpointError, match=r"version of torch .* is '2\.99'"):
            small(tmp_path).fit(X)
    # As precision="auto" decides on another processor.
    monkeypatch.setattr(training, "autocast_dtype", lambda *_: torch.bfloat16)
    with pytest.raises(
        CheckpointError, match=r"arithmetic was .* is 'torch\.bfloat16'"
    ):
        small(tmp_path).fit(X)


def test_what_changes_no_weight_may_change(tmp_path, capsys):
    interrupted(tmp_path, 8)
    options = {"verbose": 1, "checkpoint_every": 7, "callbacks": [Count()]}
    resumed = small(str(tmp_path), **options).fit(X)
    assert_same(resumed.module_, small().fit(X).module_)
    assert "4/4 epochs" in capsys.readouterr().err


def test_an_axis_is_compared_by_its_values(tmp_path):
    interrupted(tmp_path, 8, x_axis=list(range(24)))
    with pytest.raises(CheckpointError, match=r"x_axis was '\w+' and is '\w+'"):
        small(tmp_path, x_axis=np.arange(24) + 1).fit(X)
    assert small(tmp_path, x_axis=np.arange(24.0)).fit(X).n_iter_ == 4


@pytest.mark.parametrize(
    "where, name, said",
    [
        (torch, "get_num_threads", "n_threads"),
        (torch.backends.cpu, "get_cpu_capability", "instructions"),
    ],
)
def test_another_machine_is_told_of(where, name, said, tmp_path, monkeypatch):
    interrupted(tmp_path, 8)
    monkeypatch.setattr(where, name, lambda: 7)
    message = f"{said} was .* and is 7.*last digits"
    with pytest.warns(UserWarning, match=message) as caught:
        SpectralRegressor(small(tmp_path), strategy="probe").fit(X, X[:, 3])
    assert caught[0].filename == __file__
    small(tmp_path).fit(X)  # it has ended: nothing goes on


@pytest.fixture
def saved(tmp_path):
    interrupted(tmp_path, 8)
    older, newer = sorted(tmp_path.glob("*.checkpoint"))
    return older, newer


@pytest.mark.parametrize("length", [0, 7, 31, 32, 33, 200, -1, -33])
def test_a_truncated_checkpoint_is_refused_by_name(saved, length):
    older, newer = saved
    newer.write_bytes(newer.read_bytes()[:length])
    says = f"it has {length} bytes" if 0 <= length < 32 else "its SHA-256"
    with pytest.raises(CheckpointError, match=f"damaged: {says}") as refused:
        small(newer.parent).fit(X)
    assert str(newer) in str(refused.value)
    assert f"Remove it to go on from {older.name}" in str(refused.value)
    newer.unlink()
    resumed = small(newer.parent).fit(X)
    assert_same(resumed.module_, small().fit(X).module_)


def test_where_no_other_is_left_the_remedy_is_to_begin_anew(saved):
    older, newer = saved
    newer.unlink()
    older.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"Remove it to begin anew\.$"):
        small(older.parent).fit(X)


def test_no_flipped_bit_is_let_in(saved):
    _, newer = saved
    content = newer.read_bytes()
    rng = np.random.RandomState(0)
    n_refused = 0
    for bit in rng.choice(8 * len(content), size=300, replace=False):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        newer.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=newer.name):
            CheckpointFolder(newer.parent).load()
        n_refused += 1
    assert n_refused == 300
    newer.write_bytes(content)
    assert CheckpointFolder(newer.parent).load() is not None


@pytest.mark.parametrize(
    "blob, said",
    [
        (b"what is this", "no checkpoint of this package"),
        (b"", "no checkpoint of this package"),
    ],
)
def test_a_whole_file_of_another_kind_is_refused(saved, blob, said):
    _, newer = saved
    newer.write_bytes(blob + hashlib.sha256(blob).digest())
    with pytest.raises(CheckpointError, match=said):
        small(newer.parent).fit(X)


def test_another_format_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as later:
        later.setattr("skspectra._checkpoint._FORMAT", 3)
        interrupted(tmp_path, 8)
    with pytest.raises(CheckpointError, match=r"format 3.*format 2"):
        small(tmp_path).fit(X)


def test_two_checkpoints_are_kept_and_nothing_is_left_lying_about(tmp_path):
    left_behind = tmp_path / "step-000000000003.checkpoint.abc.tmp"
    left_behind.write_bytes(b"half")
    (tmp_path / "notes.tmp").write_text("the user's own")
    small(tmp_path).fit(X)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "lock",
        "notes.tmp",
        f"step-{N_STEPS - 1:012d}.checkpoint",
        f"step-{N_STEPS:012d}.checkpoint",
    ]


@pytest.mark.parametrize(
    "every, until_stopped, after",
    [
        (1 / 3, [1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12]),
        (0.7, [2, 4, 6], [8, 10, 12]),
        (1, [3, 6], [9, 12]),
        (2, [6], [12]),
        (100, [], []),
    ],
)
def test_checkpoints_come_as_often_as_asked_for(
    every, until_stopped, after, tmp_path, monkeypatch
):
    save, saved_at = CheckpointFolder.save, []

    def record(folder, checkpoint):
        saved_at.append(checkpoint.state["n_steps"])
        save(folder, checkpoint)

    monkeypatch.setattr(CheckpointFolder, "save", record)
    interrupted(tmp_path, 8, checkpoint_every=every)
    assert saved_at == until_stopped
    small(tmp_path, checkpoint_every=every).fit(X)
    assert saved_at == [*until_stopped, *after, N_STEPS]  # the last is the result


@pytest.mark.parametrize("rest, n_saves", [(0, N_STEPS + 1), (1e9, 2)])
def test_checkpoints_take_a_part_of_the_time_at_most(
    rest, n_saves, tmp_path, monkeypatch
):
    """The first is written, and the last, which is the finished training."""
    monkeypatch.setattr("skspectra._net._REST", rest)
    replace, written = os.replace, []
    monkeypatch.setattr(os, "replace", lambda *a: (written.append(a), replace(*a)))
    small(tmp_path).fit(X)
    assert len(written) == n_saves


def test_a_checkpoint_holds_tensors_and_text_alone(saved):
    tensors = load(saved[1].read_bytes()[:-32])
    state = json.loads(bytes(tensors["json"].numpy()))
    assert state["n_steps"] == 7 and not state["finished"]
    assert state["origin"]["lr"] == 1e-3


@pytest.mark.parametrize("kind", ["missing", "file", "read-only"])
def test_a_folder_that_cannot_be_written_to_is_refused_at_once(
    kind, tmp_path, monkeypatch
):
    folder, error = tmp_path / "here", PermissionError
    if kind == "missing":
        error = FileNotFoundError
    elif kind == "file":
        folder.touch()
        error = NotADirectoryError
    else:
        folder.mkdir()
        monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(error, match=r"checkpoint_dir='.*here'"):
        small(folder, callbacks=[count := Count()]).fit(X)
    assert count.n_steps == 0


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("when", ["fsync", "replace"])
def test_a_failed_write_leaves_what_was_there(error, when, tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"one", b"two")
    assert path.read_bytes() == b"onetwo"

    def fail(*args):
        raise error

    monkeypatch.setattr(os, when, fail)
    with pytest.raises(type(error)) as raised:
        write_whole(path, b"three")
    assert path.read_bytes() == b"onetwo"
    assert [*tmp_path.iterdir()] == [path]
    if isinstance(error, OSError):
        assert raised.value.filename == str(path)
        assert raised.value.errno == errno.ENOSPC


def test_a_name_is_given_to_what_is_on_the_disk_and_is_then_put_there_too(
    tmp_path, monkeypatch
):
    """The order that a power cut cannot harm; a killed process would not tell."""
    fsync, replace, done = os.fsync, os.replace, []

    def sync(handle):
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        done.append((kind, os.fstat(handle).st_size if kind == "file" else None))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", lambda *a: (done.append("name"), replace(*a)))
    write_whole(tmp_path / "file", b"one", b"two")
    assert done == [("file", 6), "name", ("folder", None)]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO])
def test_a_file_system_may_have_no_fsync_of_folders(code, tmp_path, monkeypatch):
    fsync = os.fsync

    def refuse_folders(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    if code == errno.EINVAL:
        write_whole(tmp_path / "file", b"one")
    else:  # a disk that is ill
        with pytest.raises(OSError, match=os.strerror(code)):
            write_whole(tmp_path / "file", b"one")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"one"]


def test_a_full_disk_stops_the_training_with_the_name_of_the_file(
    tmp_path, monkeypatch
):
    replace, n_calls = os.replace, []

    def full(*args):
        n_calls.append(args)
        if len(n_calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(*args)

    monkeypatch.setattr(os, "replace", full)
    model = small(tmp_path)
    with pytest.raises(OSError, match=r"No space left.*step-000000000004\.checkpoint"):
        model.fit(X)
    assert not hasattr(model, "module_")
    monkeypatch.undo()
    assert_same(small(tmp_path).fit(X).module_, small().fit(X).module_)


def test_a_folder_in_use_is_refused(tmp_path):
    with (
        CheckpointFolder(tmp_path),
        pytest.raises(CheckpointError, match="Another training uses"),
    ):
        small(tmp_path).fit(X)
    small(tmp_path).fit(X)  # and then it is free


def test_tensors_that_share_memory_are_saved_whole(tmp_path):
    base = torch.arange(6.0)
    folder = CheckpointFolder(tmp_path)
    tensors = {"whole": base, "part": base[::2], "turned": base.reshape(2, 3).T}
    folder.save(Checkpoint(tensors, {"n_steps": 1}))
    found = folder.load()
    assert found.state == {"n_steps": 1}
    for name, tensor in tensors.items():
        assert (found.tensors[name] == tensor).all()


def test_a_regressor_goes_on_with_its_pretrainer(tmp_path):
    y = X[:, 3]
    model = SpectralRegressor(small(tmp_path), strategy="probe", random_state=0)
    first = model.fit(X, y).predict(X)
    assert (model.fit(X, y).predict(X) == first).all()
    # In a cross-validation each fold is another training, and says so.
    with pytest.raises(CheckpointError, match="data was"):
        cross_val_score(model, X, y, cv=2, error_score="raise")


@pytest.mark.parametrize(
    "nest",
    [
        lambda inner, **seed: SpectralRegressor(inner, strategy="probe", **seed),
        lambda inner, **seed: SpectralStackingRegressor(inner, cv=2, **seed),
    ],
)
def test_a_pretrainer_inside_goes_on_whatever_the_seed_unless_one_is_asked_for(
    nest, tmp_path
):
    y = X[:, 3]
    stopped = small(tmp_path, callbacks=[Interrupt(8)], random_state=None)
    with pytest.raises(KeyboardInterrupt):
        nest(stopped).fit(X, y)
    inner = small(tmp_path, callbacks=None, random_state=None)
    with pytest.raises(CheckpointError, match=r"random_state was \d+ and is \d+"):
        nest(inner, random_state=0).fit(X, y)
    resumed = nest(inner).fit(X, y).pretrainer_
    seed = CheckpointFolder(tmp_path).load().state["origin"]["random_state"]
    assert resumed.provenance_.seed == seed
    undisturbed = small(random_state=seed)
    undisturbed = nest(undisturbed).fit(X, y).pretrainer_
    assert_same(resumed.module_, undisturbed.module_)


def test_a_training_of_no_epochs_has_no_checkpoint(saved):
    folder = saved[0].parent
    saved[1].write_bytes(b"damaged")
    for where in (folder, folder / "nowhere"):
        assert small(where, max_epochs=0, random_state=None).fit(X).n_iter_ == 0


def test_a_bad_interval_is_refused():
    with pytest.raises(ValueError, match="'checkpoint_every' parameter of Masked"):
        small(checkpoint_every=0).fit(X)
    with pytest.raises(ValueError, match="'checkpoint_dir' parameter of Masked"):
        small(folder=3).fit(X)
