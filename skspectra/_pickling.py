"""What a pickle of an estimator holds: numbers, and no torch."""

import copy
import warnings

from skspectra._versions import installed
from skspectra.exceptions import ModelVersionWarning

_VERSION = "_skspectra_version"


def _own_version():
    return installed("skspectra")["skspectra"]


def _without_callbacks(state):
    """Return what stands in a state for parameters that are or hold callbacks."""
    instead = {"callbacks": None} if state.get("callbacks") else {}
    pretrainer = state.get("pretrainer")
    if isinstance(pretrainer, PicklableEstimator) and pretrainer.callbacks:
        instead["pretrainer"] = copy.copy(pretrainer).set_params(callbacks=None)
    return instead


class PicklableEstimator:
    """Put a module into pickles as numpy arrays, and the version beside it.

    A torch module pickles as code to be run by torch, and its weights as a pickle
    inside the pickle: neither could be looked through, nor read by skops. The parameter
    `callbacks` of a fitted estimator is left out: loggers hold files and threads.
    """

    def __getstate__(self):
        state = {**super().__getstate__(), _VERSION: _own_version()}
        if state.get("module_") is not None:
            from skspectra._modules import describe  # imports torch

            description, weights = describe(state["module_"])
            state["module_"] = {"description": description, "weights": weights}
        if getattr(self, "__sklearn_is_fitted__", bool)():
            state |= _without_callbacks(state)
        return state

    def __setstate__(self, state):
        state = dict(state)
        written_by = state.pop(_VERSION, None)
        if written_by != _own_version():
            warnings.warn(
                f"This {type(self).__name__} was pickled by skspectra "
                f"{written_by or 'of an unknown version'}, and is read by "
                f"{_own_version()}: it may fail or predict something else. Fit it "
                "again, or keep models with skspectra.save_model.",
                ModelVersionWarning,
                stacklevel=2,
            )
        if isinstance(state.get("module_"), dict):
            from skspectra._modules import rebuild

            state["module_"] = rebuild(**state["module_"])
        super().__setstate__(state)
