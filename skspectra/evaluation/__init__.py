"""Fair comparison of estimators: the same folds, whole groups, PLS beside them."""

from skspectra.evaluation._baseline import TunedPLS, pls_baseline
from skspectra.evaluation._compare import compare
from skspectra.evaluation._comparison import Comparison
from skspectra.evaluation._displays import (
    ComparisonDisplay,
    LabelEfficiencyDisplay,
)
from skspectra.evaluation._label_efficiency import (
    LabelEfficiencyCurve,
    label_efficiency_curve,
)
from skspectra.evaluation._suite import (
    plot_critical_difference,
    plot_ratios,
    summarise_ratios,
)

__all__ = [
    "Comparison",
    "ComparisonDisplay",
    "LabelEfficiencyCurve",
    "LabelEfficiencyDisplay",
    "TunedPLS",
    "compare",
    "label_efficiency_curve",
    "plot_critical_difference",
    "plot_ratios",
    "pls_baseline",
    "summarise_ratios",
]
