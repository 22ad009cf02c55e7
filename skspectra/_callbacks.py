"""scikit-learn's callbacks, which are told of fits, where its version has them.

They came with scikit-learn 1.9: this is the only file to mend should they change, and
the only one that knows that they may be missing. An estimator inherits from
`CallbackMixin` and decorates its `fit` with `tells_callbacks`. Parts of a fit are told
of by `inner_fit`, the fit of an estimator inside, and by `TrainingEpochs`.
"""

import contextlib
import copy
import functools

import numpy as np
import pandas as pd

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:
        """Nothing, so that there is no `set_callbacks`."""

    def with_callbacks(method):
        """Return the method as it is."""
        return method


__all__ = ["CallbackMixin", "TrainingEpochs", "inner_fit", "tells_callbacks"]


class CallbackMixin(CallbackSupportMixin):
    """An estimator whose decorated `fit` tells callbacks."""

    def __sklearn_clone__(self):
        """Share the parameter `callbacks` with the clone, as scikit-learn's are.

        Copies would tell nobody, and loggers hold files, which have no copies.
        """
        callbacks = getattr(self, "callbacks", None)
        if not callbacks:
            return super().__sklearn_clone__()
        bare = object.__new__(type(self))
        vars(bare).update(vars(self), callbacks=None)
        twin = super(CallbackMixin, bare).__sklearn_clone__()
        twin.callbacks = list(callbacks)
        return twin

    def _tells_callbacks(self):
        """Whether this process is the one of its launch that tells them."""
        return True

    def _n_fit_tasks(self):
        """Return how many parts of a fit are told of."""
        return 0


def tells_callbacks(fit):
    """Decorate a `fit` so that what `set_callbacks` got is told of it.

    Parameters
    ----------
    fit : function
        A method that takes X and perhaps y first.

    Returns
    -------
    function
        The method; without callbacks it does what it did.
    """

    @with_callbacks
    def fit_and_tell(self, X, y=None, *args, **kwargs):
        task = self._init_callback_context(max_subtasks=self._n_fit_tasks())
        task.call_on_fit_task_begin(estimator=self, X=X, y=y)
        given = () if y is None else (y,)  # or it is among the keywords, or missing
        fit(self, X, *given, *args, **kwargs)
        # Rows without a reference value cannot be scored: then there is no model to.
        gaps = y is not None and pd.isna(np.asarray(y, dtype=object)).any()
        task.call_on_fit_task_end(
            estimator=self, X=X, y=y, reconstruction_attributes=None if gaps else {}
        )
        return self

    @functools.wraps(fit)
    def told_fit(self, *args, **kwargs):
        if not hasattr(self, "_skl_callbacks"):
            return fit(self, *args, **kwargs)
        self._validate_params()  # what callbacks are told beforehand comes from these
        if not self._tells_callbacks():
            return fit(self, *args, **kwargs)
        return fit_and_tell(self, *args, **kwargs)

    return told_fit


@contextlib.contextmanager
def inner_fit(outer, name, inner, X):
    """Tell the callbacks of `outer` that `inner` is fitted, and hand them on to it.

    Parameters
    ----------
    outer : estimator
        Whose `fit` runs.
    name : str
        What the fit of `inner` is called.
    inner : estimator
        To be fitted inside the context.
    X : ndarray
        What it is fitted to.

    Yields
    ------
    None
        Nothing.
    """
    whole = getattr(outer, "_callback_fit_ctx", None)
    if whole is None:
        yield
        return
    task = whole.subcontext(task_name=name)
    with task.propagate_callback_context(inner):
        task.call_on_fit_task_begin(estimator=outer, X=X)
        yield
        task.call_on_fit_task_end(estimator=outer, X=X)


class TrainingEpochs:
    """Tells the callbacks of an estimator of the epochs of a training.

    Parameters
    ----------
    estimator : estimator
        Whose `fit` runs.
    X, y : ndarray
        What is trained on; callables that return it.
    learnt : callable
        Takes the objective of the training, at rest on the CPU, and returns the fitted
        attributes that make a model of the estimator, as a dict.
    part : tuple of (str, int), default=None
        Name and number of epochs, where the training is but a part of the fit.
    """

    def __init__(self, estimator, X, y, learnt, part=None):
        self.estimator, self.data, self.learnt = estimator, {"X": X, "y": y}, learnt
        self.part = part
        self._task = getattr(estimator, "_callback_fit_ctx", None)
        self._epoch = None

    def __enter__(self):
        if self._task is not None and self.part is not None:
            name, n_epochs = self.part
            self._task = self._task.subcontext(task_name=name, max_subtasks=n_epochs)
            self._task.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        return self

    def __exit__(self, kind, *_):
        if kind is None and self._task is not None and self.part is not None:
            self._task.call_on_fit_task_end(estimator=self.estimator, **self.data)

    def begin(self):
        """Tell that an epoch begins."""
        if self._task is not None:
            self._epoch = self._task.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end(self, objective):
        """Tell that an epoch has ended, and return whether a callback wants no more.

        Parameters
        ----------
        objective : nn.Module
            What is trained; it is copied only if a callback asks for the model.

        Returns
        -------
        bool
            Whether to stop.
        """
        if self._task is None:
            return False
        return self._epoch.call_on_fit_task_end(
            estimator=self.estimator,
            **self.data,
            reconstruction_attributes=lambda: self.learnt(_at_rest(objective)),
        )


def _at_rest(module):
    return copy.deepcopy(module).cpu().eval()
