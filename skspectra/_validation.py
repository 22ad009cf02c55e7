"""The one place that imports scikit-learn's parameter checks.

They are private in scikit-learn, so a future release may move them: this is
the only file to mend then. What they say is scikit-learn's own sentence: which
parameter of which class, what is allowed, what was got.
"""

from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_params,
)

__all__ = ["HasMethods", "Interval", "StrOptions", "validate_params"]
