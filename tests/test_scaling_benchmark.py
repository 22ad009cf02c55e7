"""The cost curves: the law that they follow, and the arithmetic of what they cost."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

_BENCHMARKS = Path(__file__).parents[1] / "examples" / "benchmarks"
N = np.array([1e3, 3e3, 1e4, 3e4, 1e5])
SMALL = {
    "embed_dim": 32,
    "depth": 2,
    "n_heads": 4,
    "decoder_dim": 16,
    "decoder_depth": 1,
    "decoder_n_heads": 2,
}


@pytest.fixture
def scaling(monkeypatch):
    """The script as a module; its companions are imported by their plain names."""
    monkeypatch.syspath_prepend(_BENCHMARKS)
    import scaling

    yield scaling
    for name in ("scaling", "scaling_costs", "scaling_chart", "steps"):
        sys.modules.pop(name, None)


@pytest.fixture
def costs(scaling):
    return scaling.costs


def test_a_law_is_found_again(costs):
    noise = 1 + 0.03 * np.random.default_rng(0).standard_normal(5)
    law = costs.fit_law(N[::-1], ((0.4 + 2e-3 * N) * noise)[::-1])
    assert law.is_line and law.most == 1e5
    assert law.a == pytest.approx(0.4, abs=0.4)
    value, error = law(1e7)
    assert value - error < 0.4 + 2e-3 * 1e7 < value + error
    assert 0.01 < error / value < 0.2


def test_exact_points_give_an_exact_law(costs):
    law = costs.fit_law(N, 0.4 + 2e-3 * N)
    assert (law.a, law.b) == pytest.approx((0.4, 2e-3))
    assert law.missed == pytest.approx(0, abs=1e-9)
    assert costs.fit_law(N, 2e-3 * N).exponent == pytest.approx(1)


@pytest.mark.parametrize("power", [0.8, 1.2, 2])
def test_what_is_no_line_is_flagged(costs, power):
    law = costs.fit_law(N, 1e-3 * N**power)
    assert not law.is_line
    assert law.exponent == pytest.approx(power)
    assert law(1e7)[1] > 0.2 * law(1e7)[0]  # and does not look sure
    points = pd.DataFrame({"n_spectra": N, "epoch_s": 1e-3 * N**power})
    points = points.assign(against="n_spectra", first_pass_s=1e-5 * N)
    said = costs.laws(points)["how it is known"].tolist()
    assert said.count("measured: NO LINE") == 1


def test_three_points_make_no_law(costs):
    with pytest.raises(ValueError, match=r"at least 4 sizes\. Got 3"):
        costs.fit_law(N[:3], N[:3])


@pytest.mark.parametrize("n_channels", [200, 512])
def test_operations_are_those_that_torch_counts(costs, n_channels):
    torch.manual_seed(0)
    objective = costs.build_objective(SMALL, n_channels)
    x = torch.randn(4, n_channels)
    # In bfloat16, where the products of attention are counted as well.
    counter = FlopCounterMode(display=False)
    with counter, torch.autocast("cpu", torch.bfloat16):
        objective(x).backward()
    counted = counter.get_total_flops() / len(x)
    assert costs.flop(SMALL, n_channels) == pytest.approx(counted, rel=0.03)


def test_time_is_what_is_seen_over_the_rate(costs):
    table = costs.costs(costs.own_rate("ViT-base", 1000))
    assert table["spectra"].tolist() == ["10,000", "1,000,000", "100,000,000"]
    assert table["disk"].tolist() == ["0.0819 GB", "8.19 GB", "819 GB"]
    # 10^6, 10^7 and 10^8 spectra are seen.
    assert table["yours"].tolist() == ["17 min", "2.8 h", "28 h"]
    looked = costs.own_rate("ViT-base", 1000).assign(**{"first pass, us": 1000})
    assert costs.costs(looked)["yours"].tolist() == ["17 min", "3.1 h", "2.3 days"]


def test_what_limits_a_gpu(costs):
    network = costs.NETWORKS["ViT-base"]
    rate, limit = costs.gpu_rate(network, reading_us=20)
    assert limit == "products"
    assert rate * costs.flop(network.sizes) == pytest.approx(0.45 * 790e12)
    small = costs.NETWORKS["default"]
    assert costs.gpu_rate(small, reading_us=1e-3)[1] == "launches"
    assert costs.gpu_rate(small, reading_us=1e3) == (1e3, "reading")


@pytest.mark.filterwarnings("ignore")  # as `measure` does
def test_quick_tables_have_all_columns(scaling, costs, tmp_path, monkeypatch):
    small = costs.Network(SMALL, 64, 16)  # only its arithmetic would be of the large
    monkeypatch.setitem(costs.NETWORKS, "ViT-base", small)
    rows = []
    for each in scaling.tasks(quick=True):
        if each["count"] == 1:  # several need a launcher
            names = ["against", "size", "n_spectra", "n_channels"]
            which = {"turn": 0} | {name: each[name] for name in names}
            rows += [which | row for row in scaling.measure(each)]
    points = scaling.medians(pd.DataFrame(rows))
    documented = pd.read_csv(scaling.DOCS / "speed" / "scaling.csv")
    assert set(points["against"]) == set(documented["against"])
    assert (points[["first_pass_s", "epoch_s", "step_s", "before_s"]].dropna() > 0).all(
        axis=None
    )
    scaling.write(points, tmp_path / "scaling.csv")
    scaling.main(["--again", "--folder", str(tmp_path)])
    names = ["scaling", "scaling_law", "scaling_powers", "scaling_processes"]
    for name in [*names, "costs_rates", "costs"]:
        ours = pd.read_csv(tmp_path / f"{name}.csv")
        documented = pd.read_csv(scaling.DOCS / "speed" / f"{name}.csv")
        assert ours.columns.tolist() == documented.columns.tolist()
        assert len(ours)
    assert (tmp_path / "costs.png").stat().st_size > 10_000
    assert (tmp_path / "scaling.png").stat().st_size > 10_000


@pytest.mark.slow
def test_several_processes_are_launched(scaling):
    (two,) = [
        each
        for each in scaling.tasks(quick=True)
        if (each["against"], each["size"]) == ("processes", "2")
    ]
    (found,) = scaling.launch(two)
    assert found["batch_size"] == 64
    assert found["epoch_s"] > 0 and found["step_s"] > 0
