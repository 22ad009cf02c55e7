"""The step of a fitted pipeline that is looked into, and what reaches it."""

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skspectra._pretrainer import MaskedSpectralPretrainer
from skspectra._supervised import SupervisedModel
from skspectra._table_axis import axis_of, column_axis

__all__ = [
    "axis_before",
    "before",
    "described",
    "is_pipeline",
    "last_step",
    "steps_of",
    "thawed",
]


def thawed(estimator):
    """Return what is inside of a FrozenEstimator; others are returned as they are."""
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator


def steps_of(estimator):
    """Return the steps of a pipeline, frozen or not; another is its only step."""
    estimator = thawed(estimator)
    if not is_pipeline(estimator):
        return [estimator]
    return [thawed(step) for _, step in estimator.steps]


def is_pipeline(estimator):
    """Tell whether it is a pipeline, frozen or not."""
    return isinstance(thawed(estimator), Pipeline)


def described(estimator):
    """Return the classes of an estimator and its steps, for a message."""
    estimator = thawed(estimator)
    name = type(estimator).__name__
    if not is_pipeline(estimator):
        return name
    steps = [type(thawed(step)).__name__ for _, step in estimator.steps]
    return f"{name}({', '.join(steps)})"


def last_step(estimator, X, attribute, wanted):
    """Return the last step that has an attribute, fitted, and what reaches it.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted; one that is no pipeline is its own only step. For a SpectralRegressor
        or SpectralClassifier stands its pretrainer, where that has the attribute and
        they do not.
    X : array-like of shape (n_samples, n_channels)
        What goes into the first step.
    attribute : str
        What the step must have, fitted or not.
    wanted : str
        What such estimators are called, for the message.

    Returns
    -------
    step : estimator
        Fitted.
    X : array-like of shape (n_samples, n_channels)
        What goes into it.

    Raises
    ------
    TypeError
        If no step has such an attribute.
    NotFittedError
        If it is not fitted.
    """
    number = _number_of(estimator, attribute)
    if number is None:
        raise TypeError(
            f"estimator must be {wanted}, or a Pipeline with one; of a search pass its "
            f"best_estimator_. Got {described(estimator)} instead."
        )
    step = steps_of(estimator)[number]
    check_is_fitted(step)
    if not hasattr(step, attribute):
        step = thawed(step.pretrainer_)
    return step, before(estimator, number, X)


def _number_of(estimator, attribute):
    """Return the number of the last step that has an attribute, or None.

    Or whose pretrainer has it.
    """
    steps = steps_of(estimator)
    for number in range(len(steps) - 1, -1, -1):
        step = steps[number]
        if hasattr(step, attribute):
            return number
        if isinstance(step, SupervisedModel) and hasattr(
            MaskedSpectralPretrainer, attribute
        ):
            return number
    return None


def before(estimator, number, X):
    """Return what the first steps, as many as the number says, make of X."""
    estimator = thawed(estimator)
    if number == 0:
        return X
    return (estimator[:number] if is_pipeline(estimator) else estimator).transform(X)


def axis_before(estimator, X, attribute):
    """Return the axis of what reaches the last step that has an attribute, or None.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted, with such a step.
    X : array-like of shape (n_samples, n_channels)
        What goes into the first step; its column names may be an axis.
    attribute : str
        As in `last_step`.

    Returns
    -------
    ndarray of shape (n_channels,) or None
        None where nobody knows it.
    """
    estimator, number = thawed(estimator), _number_of(estimator, attribute)
    if is_pipeline(estimator):
        estimator = estimator[: number + 1]
    return axis_of(estimator, column_axis(X))
