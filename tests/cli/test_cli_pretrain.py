"""`skspectra pretrain`: the encoder it writes, where it goes on, what it refuses."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import Pipeline, make_pipeline

from skspectra import InstanceNormalizer, MaskedSpectralPretrainer, load_model

PROGRAM = [sys.executable, "-m", "skspectra"]
TINY = "--epochs 2 --patch-size 4 --batch-size 8"


def channels(table):
    return table.drop(columns=["sample", "fat"]).to_numpy()


@pytest.mark.parametrize("method", ["standard", "area", "none"])
def test_the_encoder_is_the_one_that_python_trains(meat, run, method):
    result = run(f"pretrain meat.csv --normalize {method} --seed 3 --device cpu", TINY)
    assert result.exit_code == 0, result.output
    model = MaskedSpectralPretrainer(
        patch_size=4, max_epochs=2, batch_size=8, random_state=3, device="cpu"
    )
    if method != "none":
        model = make_pipeline(InstanceNormalizer(method), model)
    X = channels(meat)
    written = load_model("encoder.safetensors")
    assert isinstance(written, Pipeline) == (method != "none")
    np.testing.assert_array_equal(written.transform(X), model.fit(X).transform(X))


def test_the_options_reach_the_pretrainer(meat, run):
    options = "--encoder state_space --mask-ratio 0.75 --ignore fat --out deep/e.st"
    assert run("pretrain meat.csv", TINY, options).exit_code == 0
    pretrainer = load_model("deep/e.st")[-1]
    assert (pretrainer.encoder, pretrainer.mask_ratio) == ("state_space", 0.75)
    np.testing.assert_allclose(pretrainer.x_axis_, np.linspace(1100, 2500, 21))


def test_the_file_is_the_result_and_progress_is_beside_it(meat, run):
    result = run("pretrain meat.csv --out e.safetensors", TINY)
    assert result.stdout == "e.safetensors\n"
    assert "24 spectra of 21 channels" in result.stderr
    assert "2/2 epochs, loss " in result.stderr
    quiet = run("pretrain meat.csv --out q.safetensors --quiet", TINY)
    assert (quiet.stdout, quiet.stderr) == ("q.safetensors\n", "")


def test_several_tables_are_one_pool(meat, run):
    meat[:10].to_csv("a.csv", index=False)
    meat[10:].drop(columns="sample").to_csv("b.csv", index=False)
    assert run("pretrain meat.csv --out whole", TINY).exit_code == 0
    assert run("pretrain a.csv b.csv --out parts", TINY).exit_code == 0
    whole, parts = (
        load_model(name).transform(channels(meat)) for name in ("whole", "parts")
    )
    np.testing.assert_array_equal(parts, whole)


@pytest.fixture
def never_trained(monkeypatch):
    def trained(*args, **kwargs):
        raise AssertionError("something was trained")

    monkeypatch.setattr(MaskedSpectralPretrainer, "fit", trained)


def test_an_encoder_that_is_there_is_kept_unless_forced(meat, run, monkeypatch):
    Path("encoder.safetensors").write_text("mine")
    with monkeypatch.context() as patch:
        patch.setattr(MaskedSpectralPretrainer, "fit", None)
        result = run("pretrain meat.csv", TINY)
    assert result.exit_code == 3
    assert "encoder.safetensors is there already. --force overwrites" in result.stderr
    assert Path("encoder.safetensors").read_text() == "mine"
    assert run("pretrain meat.csv --force", TINY).exit_code == 0
    load_model("encoder.safetensors")


REFUSED = {
    "no file": ("none.csv", "none.csv does not exist"),
    "another axis": ("meat.csv shifted.csv", "shifted.csv has 21 channels from 1101"),
    "a folder": ("meat.csv --out folder", "folder is a folder"),
    "below a file": ("meat.csv --out meat.csv/e", "meat.csv is not writable"),
}


@pytest.mark.parametrize("arguments, words", REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_work_is_refused_before_the_training(
    meat, run, never_trained, arguments, words
):
    Path("folder").mkdir()
    shifted = {name: f"{float(name) + 1:g}" for name in meat.columns[1:-1]}
    meat.rename(columns=shifted).to_csv("shifted.csv", index=False)
    result = run(f"pretrain {arguments}", TINY)
    assert (result.exit_code, result.stdout) == (3, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ") and words in line


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_killed_training_goes_on_with_the_same_command(meat, run):
    long = "--epochs 25 --patch-size 4 --batch-size 12 --device cpu"
    command = f"pretrain meat.csv {long} --checkpoints running"
    with subprocess.Popen(
        [*PROGRAM, *command.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while not any(Path("running").glob("step-*.checkpoint")):
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not Path("encoder.safetensors").exists()
    result = run(command)
    assert result.exit_code == 0, result.output
    assert "Going on from the checkpoint in running" in result.stderr
    assert run(f"pretrain meat.csv {long} --out uninterrupted").exit_code == 0
    X = channels(meat)
    went_on, whole = load_model("encoder.safetensors"), load_model("uninterrupted")
    np.testing.assert_array_equal(went_on.transform(X), whole.transform(X))


def test_checkpoints_of_another_training_are_refused_in_one_line(meat, run):
    assert run("pretrain meat.csv --resume running", TINY).exit_code == 0
    result = run("pretrain meat.csv --resume running --seed 1 --force", TINY)
    assert result.exit_code == 3
    assert "are of another training: random_state was 0 and is 1" in result.stderr
    assert "Traceback" not in result.stderr
