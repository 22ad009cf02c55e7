"""A process that fits and predicts for hours keeps nothing of it."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import soak
import torch


def test_the_soak_sees_what_is_left_behind(tmp_path):
    before = soak.state()
    kept, stop = torch.ones(3), threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    with open(tmp_path / "left open", "w"):
        after = soak.state()
    stop.set()
    thread.join()
    assert len(kept) == 3
    assert after.threads == before.threads + 1
    assert after.files == before.files + 1
    assert after.tensors == before.tensors + 1


@pytest.mark.parametrize(
    ("after", "fails"),
    [
        (soak.State(104, 2, 5, 0), False),
        (soak.State(90, 1, 4, 0), False),
        (soak.State(106, 2, 5, 0), True),
        (soak.State(100, 3, 5, 0), True),
        (soak.State(100, 2, 6, 0), True),
        (soak.State(100, 2, 5, 1), True),
    ],
)
def test_the_soak_fails_where_something_grew(monkeypatch, capsys, after, fails):
    monkeypatch.setattr(soak, "soak", lambda *_: (soak.State(100, 2, 5, 0), after))
    assert soak.main([]) == fails
    assert "300 fits and 20000 predictions" in capsys.readouterr().out


@pytest.mark.slow
def test_many_fits_and_predictions_leave_nothing_behind():
    script = [sys.executable, Path(soak.__file__), "--fits=66", "--predictions=2000"]
    ran = subprocess.run(script, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.startswith("66 fits and 2000 predictions")
    assert ran.stderr == ""
