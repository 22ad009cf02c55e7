"""Several processes train as one process does with all of their rows."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import launched
import numpy as np
import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from skorch.callbacks import Callback

from skspectra import MaskedSpectralPretrainer, load_model
from skspectra import _row_blocks as row_blocks
from skspectra._checkpoint import CheckpointFolder
from skspectra._inference import resolve_device
from skspectra._processes import ALONE, Processes
from skspectra._processes import _portable as portable
from skspectra._processes import launched as launched_with
from skspectra.exceptions import CheckpointError

HERE = Path(__file__).parent
HALF, QUARTER = launched.BATCH_SIZE // 2, launched.BATCH_SIZE // 4
N_STEPS = 3 * 4  # epochs of 16, 16 and 1 row
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch"]
IN_PARTS = {"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "2"}


def command(folder, count=2):
    script = str(HERE / "launched.py")
    return [*TORCHRUN, f"--nproc-per-node={count}", script, str(folder)]


def several():
    """Return what accelerate calls several processes, with or without a GPU."""
    with socket.socket() as free:  # old versions of accelerate look for none
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return ["--multi_gpu", "--num_processes=2", f"--main_process_port={port}"]


def environment():
    """Return the environment of a launch, as if pytest had not been started by one."""
    ours = {name: v for name, v in os.environ.items() if "ACCELERATE" not in name}
    path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    return ours | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def launch(line):
    return subprocess.run(
        line, env=environment(), capture_output=True, text=True, timeout=240
    )


def results(folder, name, count=2):
    """Return what each process said of a job, and its weights."""
    for rank in range(count):
        said = json.loads((folder / f"{name}-{rank}.json").read_text())
        with np.load(folder / f"{name}-{rank}.npz") as found:
            yield said, dict(found)


def distance(one, other):
    """Return how far the weights of two models lie apart, as a part of their size."""
    assert one.keys() == other.keys()
    flat = [np.concatenate([w[name].ravel() for name in one]) for w in (one, other)]
    return np.linalg.norm(flat[0] - flat[1]) / np.linalg.norm(flat[1])


def fit_alone(job):
    options = {name: v for name, v in job["options"].items() if name != "batch_size"}
    if "bf16" in job.get("env", {}).values():
        options["precision"] = "bfloat16"
    return launched.small(**options).fit(launched.DATA[job.get("data", "X")])


# --- what is a launch ------------------------------------------------------------


def by_torchrun(monkeypatch):
    """Set what torchrun sets beside WORLD_SIZE."""
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("MASTER_ADDR", "localhost")


@pytest.fixture
def variables(monkeypatch):
    """Set variables as a launcher does, and have accelerate find them."""

    def set_all(count=2, device="cpu", **variables):
        class State:
            num_processes, process_index = count, count - 1

            def __init__(self, cpu, timeout):
                asked.append(cpu)

        asked = []
        State.device = torch.device(device)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        if "WORLD_SIZE" in variables:
            by_torchrun(monkeypatch)
        monkeypatch.setattr("accelerate.PartialState", State)
        return asked

    return set_all


def test_an_ordinary_process_is_alone():
    assert launched_with() is ALONE
    assert ALONE.agree(lambda: 3) == 3
    assert range(5)[ALONE.own] == range(5)


def test_a_launcher_tells_what_a_process_is(variables):
    asked = variables(3, WORLD_SIZE="3", ACCELERATE_MIXED_PRECISION="bf16", **IN_PARTS)
    found = launched_with()
    assert (found.rank, found.count, found.n_parts) == (2, 3, 2)
    assert not found.is_first and asked == [True]
    assert found.device == torch.device("cpu")
    assert list(range(10)[found.own]) == [2, 5, 8]
    assert found.precision("auto") == "bfloat16"
    assert found.precision("float32") == "float32"


def test_without_mixed_precision_the_estimator_decides(variables):
    variables(2, WORLD_SIZE="2", ACCELERATE_MIXED_PRECISION="no")
    assert launched_with().precision("auto") == "auto"


def test_each_process_has_its_own_gpu(variables, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    asked = variables(2, "cuda:1", WORLD_SIZE="2")
    assert launched_with("auto").device == torch.device("cuda:1")
    assert launched_with("cuda").device == torch.device("cuda:1")
    with pytest.raises(ValueError, match=r"cuda:0' would put all .* on one device"):
        launched_with("cuda:0")
    with pytest.raises(ValueError, match=r"'cpu' was requested, .* for 'cuda'"):
        launched_with("cpu")
    assert asked[:2] == [False, False]


def in_a_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def is_alone():
    return launched_with() is ALONE


@pytest.mark.parametrize("backend", ["multiprocessing", "loky"])
def test_workers_of_a_launched_process_are_alone(backend, variables):
    variables(2, WORLD_SIZE="2")
    assert not is_alone()
    assert in_a_thread(is_alone)
    with parallel_config(backend):
        assert Parallel(2)(delayed(is_alone)() for _ in range(2)) == [True, True]


def test_what_other_tools_set_makes_no_launch(monkeypatch):
    for value in ("all", "4"):
        monkeypatch.setenv("WORLD_SIZE", value)
        assert is_alone()
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    assert is_alone()


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("ACCELERATE_MIXED_PRECISION", "fp16", "'fp16'.*--mixed_precision bf16 or no"),
        ("ACCELERATE_MIXED_PRECISION", "fp8", "'fp8'"),
        ("ACCELERATE_USE_FSDP", "true", "configured for FSDP.*--multi_gpu"),
        ("ACCELERATE_USE_DEEPSPEED", "true", "configured for DeepSpeed"),
    ],
)
def test_what_is_not_there_is_refused_by_name(name, value, said, variables):
    variables(WORLD_SIZE="2", **{name: value})
    with pytest.raises(ValueError, match=said):
        launched.small().fit(launched.X)


def test_processes_that_were_not_connected_are_refused(variables):
    variables(1, WORLD_SIZE="4")
    with pytest.raises(ValueError, match=r"WORLD_SIZE=4 .* set up 1\. .*torchrun"):
        launched_with()


def test_without_accelerate_the_remedy_is_told(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    by_torchrun(monkeypatch)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ImportError, match=r"pip install 'skspectra\[distributed\]'"):
        launched.small().fit(launched.X)


def test_other_errors_of_torch_stay_what_they_are():
    with pytest.raises(RuntimeError, match="mine"), Processes(0, 2).explaining():
        raise RuntimeError("mine")
    with (
        pytest.raises(ConnectionError, match=r"process 1 of 2.*advice.*pair\.cc"),
        Processes(1, 2, advice="advice").explaining(),
    ):
        raise RuntimeError("gloo/transport/tcp/pair.cc: Connection closed by peer")


def test_a_process_that_is_told_to_end_says_why(monkeypatch, capfd):
    killed = []
    monkeypatch.setattr(os, "kill", lambda *asked: killed.append(asked))
    with Processes(1, 2, advice="Launch again.").watched():
        signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
    assert killed == [(os.getpid(), signal.SIGTERM)]  # it ends as it would have
    said = capfd.readouterr().err
    assert "Process 1 of 2" in said and "(SIGTERM)" in said and "Launch again." in said
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_handlers_of_the_user_are_left_alone():
    def mine(number, frame):
        pass

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with Processes(1, 2).watched():
            assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_models_compute_on_the_gpu_of_their_process(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda:1")
    assert resolve_device("cuda:0") == torch.device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    assert resolve_device("auto") == torch.device("cuda:0")


def test_errors_that_cannot_be_sent_are_told_in_words():
    class Odd(Exception):
        def __init__(self, one, other):
            super().__init__(f"{one} and {other}")

    told = portable(Odd(1, 2))
    assert isinstance(told, RuntimeError) and str(told) == "Odd: 1 and 2"
    error = CheckpointError("there")
    assert portable(error) is error and portable(None) is None


# --- parts of a step -------------------------------------------------------------


@pytest.mark.parametrize(
    "options, data",
    [
        ({"masking": "random", "mask_ratio": (0.3, 0.7)}, "X"),
        ({"masking": "self_guided", "encoder": "transformer"}, "GAPS"),
        ({"masking": "block", "loss": "mse+sinkhorn"}, "POSITIVE"),
    ],
    ids=str,
)
def test_a_step_in_parts_is_the_step(options, data, monkeypatch):
    whole = launched.small(**options).fit(launched.DATA[data])
    for name, value in IN_PARTS.items():
        monkeypatch.setenv(name, value)
    count = launched.Count()
    parts = launched.small(batch_size=HALF, callbacks=[count], **options)
    parts.fit(launched.DATA[data])
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-5)
    assert distance(launched.weights(parts), launched.weights(whole)) < 1e-3
    assert (count.n_steps, count.n_epochs) == (N_STEPS, 4)


def test_nothing_periodic_happens_before_a_step_is_complete(tmp_path, monkeypatch):
    saved = []
    save = CheckpointFolder.save

    def spy(folder, checkpoint):
        saved.append(checkpoint.state["n_steps"])
        save(folder, checkpoint)

    monkeypatch.setattr(CheckpointFolder, "save", spy)
    monkeypatch.setattr("skspectra._net._REST", 0)
    for name, value in IN_PARTS.items():
        monkeypatch.setenv(name, value)
    options = {"checkpoint_dir": tmp_path, "checkpoint_every": 1 / 3}
    launched.small(batch_size=HALF, **options).fit(launched.X)
    # After each step, none of which has the number 0, and once more at the end.
    assert saved == [*range(1, N_STEPS + 1), N_STEPS]


# --- several processes -----------------------------------------------------------


EQUAL = {
    "random": {"options": {"batch_size": HALF, "mask_ratio": [0.3, 0.7]}},
    "guided": {"options": {"batch_size": HALF, "masking": "self_guided"}},
    "gaps": {"options": {"batch_size": HALF, "masking": "block"}, "data": "GAPS"},
    "parts": {"options": {"batch_size": QUARTER}, "env": IN_PARTS},
    "sinkhorn": {
        "options": {"batch_size": HALF, "loss": "mse+sinkhorn"},
        "data": "POSITIVE",
    },
    "draws": {
        "options": {"batch_size": HALF, "encoder": "state_space"},
        "draws": True,
        "stop_after": 99,  # which is never, but it draws
    },
    "streamed": {
        "options": {"batch_size": HALF},
        "streamed": True,
        "row_blocks": {"_IN_BLOCK": 30, "_MIXED": 16 * 30},  # blocks of one row
    },
}
NEARLY = {
    "wasserstein": {"options": {"batch_size": HALF, "loss": "mse+wasserstein"}},
    "rounded": {
        "options": {"batch_size": HALF},
        "env": {"ACCELERATE_MIXED_PRECISION": "bf16"},
    },
}
OTHERS = {
    "loud": {"options": {"batch_size": HALF, "verbose": 2}},
    "seedless": {"options": {"batch_size": HALF, "random_state": None}},
    "untrained": {"options": {"max_epochs": 0}},
}
ERRORS = {
    "diverge": {"options": {"lr": 1e30}},
    "no folder": {"options": {"checkpoint_dir": "/not/there"}},
    "shards": {"shards": True},
}
if hasattr(MaskedSpectralPretrainer, "set_callbacks"):
    OTHERS["stop"] = {"options": {"batch_size": HALF}, "stop_after": 2}


def test_two_processes_train_as_one_with_the_double_batch(tmp_path, monkeypatch):
    jobs = EQUAL | NEARLY | OTHERS | ERRORS
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    done = launch([*ACCELERATE, *several(), str(HERE / "launched.py"), str(tmp_path)])
    assert done.returncode == 0, done.stderr
    for name in EQUAL | NEARLY | OTHERS:
        (first, own), (second, other) = results(tmp_path, name)
        for key, weight in own.items():
            assert (weight == other[key]).all(), name
        assert first["loss_curve"] == second["loss_curve"], name
        assert first["score"] == second["score"], name
        # Callbacks are told in the first process, of each step that is complete.
        n_epochs = len(first["loss_curve"])
        assert (first["n_steps"], first["n_epochs"]) == (3 * n_epochs, n_epochs), name
        assert (second["n_steps"], second["n_epochs"]) == (0, 0), name
    for name, job in (EQUAL | NEARLY).items():
        with monkeypatch.context() as patch:
            for constant, value in job.get("row_blocks", {}).items():
                patch.setattr(row_blocks, constant, value)
            alone = fit_alone(job)
        (found, own), _ = results(tmp_path, name)
        closely = name in EQUAL
        np.testing.assert_allclose(
            found["loss_curve"],
            alone.loss_curve_,
            rtol=1e-5 if closely else 5e-3,
            err_msg=name,
        )
        far = distance(own, launched.weights(alone))
        assert far < (1e-3 if closely else 1e-2), name
    check_streamed(tmp_path)
    check_others(tmp_path, done)


def check_streamed(folder):
    first, second = (said["n_read"] for said, _ in results(folder, "streamed"))
    # Once by the first process to survey them, and in each epoch half of the rows by
    # each; besides the first few rows, to learn what they are.
    assert first - second == pytest.approx(33, abs=4)
    assert second == pytest.approx(4 * 33 / 2, abs=8)


def check_others(folder, done):
    assert done.stdout.count("train_loss") == 1  # the head of the table
    for name, dtype in {"random": "None", "rounded": "torch.bfloat16"}.items():
        assert next(results(folder, name))[0]["arithmetic"] == dtype
    seeds = {said["seed"] for said, _ in results(folder, "seedless")}
    assert len(seeds) == 1
    scratch = launched.weights(launched.small(max_epochs=0).fit(launched.X))
    assert distance(next(results(folder, "untrained"))[1], scratch) == 0
    if "stop" in OTHERS:
        (first, _), (second, _) = results(folder, "stop")
        assert len(second["loss_curve"]) == 2
        assert first["n_told"] >= 2 and second["n_told"] == 0
    for name, said in {
        "diverge": "FloatingPointError",
        "no folder": "FileNotFound",
        "shards": "ValueError: X must be the whole corpus in every process",
    }.items():
        (first, _), (second, _) = results(folder, name)
        assert first["error"].startswith(said)
        assert first == second


# --- a process that dies ---------------------------------------------------------

LONG = {"batch_size": HALF, "max_epochs": 15, "checkpoint_every": 1 / 3}


def kill_one(folder, jobs, rank=1):
    """Launch jobs, kill a process once there is a checkpoint, and wait for the end."""
    (folder / "jobs.json").write_text(json.dumps(jobs))
    kept = Path(next(iter(jobs.values()))["options"]["checkpoint_dir"])
    process = subprocess.Popen(
        command(folder),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    latest = time.monotonic() + 120
    while not any(kept.glob("*.checkpoint")):
        assert process.poll() is None and time.monotonic() < latest
        time.sleep(0.01)
    killed = int((folder / f"pid-{rank}").read_text())
    os.kill(killed, signal.SIGKILL)
    start = time.monotonic()
    _, said = process.communicate(timeout=120)
    return killed, process.returncode, said, time.monotonic() - start


def interrupted(folder, step, rows):
    """Train alone, and press Ctrl-C in a step."""

    class Interrupt(Callback):
        def on_batch_begin(self, net, **kwargs):
            if net.scheduler.last_epoch == step:
                raise KeyboardInterrupt

    options = LONG | {"batch_size": launched.BATCH_SIZE, "checkpoint_dir": folder}
    with pytest.raises(KeyboardInterrupt):
        launched.small(callbacks=[Interrupt()], **options).fit(rows)


@pytest.mark.parametrize(
    "streamed",
    [False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["held", "streamed"],
)
def test_a_launch_goes_on_where_a_process_was_killed(tmp_path, monkeypatch, streamed):
    monkeypatch.setattr("skspectra._net._REST", 0)
    blocks = {"_IN_BLOCK": 60, "_MIXED": 4 * 60} if streamed else {}  # of two rows
    for constant, value in blocks.items():
        monkeypatch.setattr(row_blocks, constant, value)
    common = {"streamed": streamed, "row_blocks": blocks}
    rows = launched.Rows() if streamed else launched.X
    kept, begun_alone = tmp_path / "kept", tmp_path / "begun alone"
    for folder in (kept, begun_alone):
        folder.mkdir()
    here = {"options": LONG | {"checkpoint_dir": str(kept)}, **common}
    jobs = {"long": here | {"pause": 0.05}}
    killed, code, said, seconds = kill_one(tmp_path, jobs)
    assert code != 0 and seconds < 30
    assert "skspectra: " in said
    assert f"same launch goes on from the last checkpoint in '{kept}'" in said
    assert "Another process of this launch has died" in said or "SIGTERM" in said
    assert f"(pid: {killed})  (SIGKILL)" in said  # the launcher's report

    goes_on_alone = shutil.copytree(kept, tmp_path / "goes on alone")
    interrupted(begun_alone, 20, rows)
    there = {"options": LONG | {"checkpoint_dir": str(begun_alone)}, **common}
    undisturbed = {"options": LONG, "row_blocks": blocks}
    jobs = {"long": here, "begun alone": there, "undisturbed": undisturbed}
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    done = launch(command(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("n_processes was 1 and is 2") == 1
    first, weights = next(results(tmp_path, "undisturbed"))
    for resumed, own in results(tmp_path, "long"):
        assert resumed["loss_curve"] == first["loss_curve"]
        assert distance(own, weights) == 0
    assert next(results(tmp_path, "long"))[0]["n_steps"] < first["n_steps"] == 45
    changed, own = next(results(tmp_path, "begun alone"))
    assert changed["n_steps"] == 25
    np.testing.assert_allclose(changed["loss_curve"], first["loss_curve"], rtol=1e-3)
    assert distance(own, weights) < 1e-2
    check_that_one_goes_on(goes_on_alone, rows, first, weights)


def check_that_one_goes_on(folder, rows, first, weights):
    """See one process go on with the steps of two, in parts of the rows it takes."""
    with pytest.raises(CheckpointError, match="batch_size was 16 and is 4"):
        launched.small(**LONG | {"batch_size": 4, "checkpoint_dir": folder}).fit(rows)
    model = launched.small(**LONG, checkpoint_dir=folder)
    with pytest.warns(UserWarning, match="n_processes was 2 and is 1"):
        model.fit(rows)
    np.testing.assert_allclose(model.loss_curve_, first["loss_curve"], rtol=1e-3)
    assert distance(launched.weights(model), weights) < 1e-2


# --- the example -----------------------------------------------------------------


def test_the_example_runs_under_accelerate(tmp_path):
    script = HERE.parent / "examples" / "scale" / "pretrain_ddp.py"
    options = ["--made-up=150", "--epochs=1", "--batch-size=25"]
    saved = tmp_path / "model.safetensors"
    options += [f"--checkpoints={tmp_path}", f"--model={saved}"]
    single = ["--cpu", "--num_processes=1", "--mixed_precision=bf16"]
    done = launch([*ACCELERATE, *single, str(script), *options])
    assert done.returncode == 0, done.stderr
    assert "loss" in done.stdout
    model = load_model(saved)
    assert model.n_features_in_ == 200 and len(model.loss_curve_) == 1
