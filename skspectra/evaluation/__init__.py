"""Fair comparison of estimators: the same folds, whole groups, PLS beside them."""

from skspectra.evaluation._baseline import TunedPLS, pls_baseline
from skspectra.evaluation._compare import compare
from skspectra.evaluation._comparison import Comparison
from skspectra.evaluation._label_efficiency import (
    LabelEfficiencyCurve,
    label_efficiency_curve,
)

__all__ = [
    "Comparison",
    "LabelEfficiencyCurve",
    "TunedPLS",
    "compare",
    "label_efficiency_curve",
    "pls_baseline",
]
