"""Estimators and their attributes as JSON and named arrays, for a file.

None, bool, int, float, str and lists stand for themselves. All else is an object of one
key, which says what it is; what arrays hold stands in the arrays of the file, each of
them used once. `_model_reader` reads it.
"""

import math
import os
import re

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from skspectra import _model_kinds as kinds

__all__ = ["write"]

_WORDS = {"U": "words", "O": "objects"}  # arrays of strings, by kind of dtype
_LONG = 16  # lists of as many floats become arrays


def write(model: BaseEstimator) -> tuple[object, dict[str, np.ndarray], list[str]]:
    """Return what JSON can hold of a fitted estimator, and its arrays by name.

    Parameters
    ----------
    model : estimator
        Left as it is.

    Returns
    -------
    node : object
        Of plain values.
    arrays : dict of ndarray
        By name.
    left_out : list of str
        What the user may miss in the file.

    Raises
    ------
    TypeError
        If it holds something that cannot be kept; the message says where.
    """
    writer = _Writer()
    return writer.value(model, ""), writer.arrays, writer.left_out


class _Writer:
    def __init__(self):
        self.arrays, self.left_out, self._taken = {}, [], set()

    def value(self, value, where):
        """Return the node of a value; `where` names it, and its arrays."""
        if value is None or type(value) is bool:
            return value
        if isinstance(value, str):
            return str(value)  # numpy has strings of its own
        if type(value) is int and abs(value) < 2**64:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, os.PathLike):
            return str(os.fspath(value))
        if type(value) is list:
            return self._list(value, where)
        if type(value) is tuple:
            return {
                "tuple": [self._inside(each, where, i) for i, each in enumerate(value)]
            }
        if type(value) in (dict, Bunch) and all(type(key) is str for key in value):
            kind = "bunch" if type(value) is Bunch else "dict"
            return {kind: self._fields(value, where)}
        if isinstance(value, np.generic) and value.dtype.name in kinds.NUMBERS:
            return {"number": [value.dtype.name, self.value(value.item(), where)]}
        if isinstance(value, range) or hasattr(value, "to_numpy"):  # an x_axis
            value = np.asarray(value)
        if isinstance(value, np.ndarray):
            return self._array(value, where)
        if isinstance(value, np.random.RandomState):
            return {"random_state": self._random_state(value, where)}
        return self._object(value, where)

    def _object(self, value, where):
        """Return the node of what is of a class in the tables."""
        if name := kinds.name_in(kinds.RECORDS, value):
            return {"record": [name, self._fields(value._asdict(), where)]}
        if name := kinds.name_in(kinds.SPLITTERS, value):
            given = {key: getattr(value, key) for key in kinds.arguments(type(value))}
            return {"splitter": [name, self._fields(given, where)]}
        if isinstance(value, BaseEstimator):
            return {"estimator": self._estimator(value, where)}
        if hasattr(value, "architecture"):
            return {"module": self._module(value, where)}
        raise TypeError(
            f"save_model cannot keep {where or 'this'}, which is of the class "
            f"{type(value).__module__}.{type(value).__qualname__}."
        )

    def _fields(self, values, where):
        return {key: self._inside(each, where, key) for key, each in values.items()}

    def _inside(self, value, where, key):
        return self.value(value, f"{where}.{key}" if where else str(key))

    def _list(self, values, where):
        if len(values) >= _LONG and all(type(each) is float for each in values):
            return {"floats": self._keep(np.array(values), where)}
        return [self._inside(each, where, i) for i, each in enumerate(values)]

    def _array(self, array, where):
        kind = _WORDS.get(array.dtype.kind) if array.ndim == 1 else None
        if kind and len(array) and all(type(each) is str for each in array.tolist()):
            return {kind: array.tolist()}
        if type(array) is not np.ndarray or array.dtype.kind not in "bfiu":
            raise TypeError(
                f"save_model cannot keep {where}, an array of {array.dtype} "
                f"({type(array).__name__})."
            )
        # The order in memory decides the last digits of products.
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            return {"transposed": self._keep(array.T, where)}
        return {"array": self._keep(array, where)}

    def _keep(self, array, where):
        """Put an array aside under a plain name that no other has."""
        plain = re.sub(r"[^A-Za-z0-9_.]", "_", where)[:180]
        name, again = plain, 1
        while name.lower() in self._taken:
            again += 1
            name = f"{plain}.{again}"
        self._taken.add(name.lower())
        self.arrays[name] = array
        return name

    def _random_state(self, generator, where):
        state = generator.get_state(legacy=False)
        if state["bit_generator"] != "MT19937":
            raise TypeError(f"save_model cannot keep {where}: seed it by a number.")
        key = self._keep(state["state"]["key"], where)
        numbers = [state["state"]["pos"], state["has_gauss"], state["gauss"]]
        return [key, *(self.value(each, where) for each in numbers)]

    def _module(self, module, where):
        from skspectra._modules import describe  # imports torch

        description, weights = describe(module)
        names = {
            name: self._keep(array, f"{where}.{name}")
            for name, array in weights.items()
        }
        # Where all names follow from where they are, one says it.
        plain = all(name == f"{where}.{part}" for part, name in names.items())
        return [description, where if plain else names]

    def _estimator(self, estimator, where):
        name = kinds.name_in(kinds.OWN, estimator)
        name = name or kinds.name_in(kinds.SKLEARN, estimator)
        if name is None:
            raise TypeError(_refusal(estimator, where))
        parameters = estimator.get_params(deep=False)
        own = dict(vars(estimator))
        if own.pop("_skl_callbacks", None) or parameters.get("callbacks"):
            self.left_out.append(f"callbacks of {name}")
        if own.pop("_metadata_request", None) is not None:
            self.left_out.append(f"metadata routing of {name}")
        state = {key: value for key, value in own.items() if key not in parameters}
        if name in kinds.OWN and not _is_fitted(estimator):
            state = {}  # what a failed fit has left behind
        kept = {k: v for k, v in parameters.items() if k not in kinds.LEFT_OUT}
        return [name, self._parameters(name, kept, where), self._fields(state, where)]

    def _parameters(self, name, parameters, where):
        if name != "Pipeline":
            return self._fields(parameters, where)
        steps = parameters.pop("steps")
        nodes = [
            {"tuple": [key, self._inside(step, where, key)]} for key, step in steps
        ]
        return {"steps": nodes, **self._fields(parameters, where)}


def _is_fitted(estimator):
    try:
        check_is_fitted(estimator)
    except ValueError:  # what NotFittedError is
        return False
    return True


def _refusal(estimator, where):
    """Return what to tell about an estimator that is in no table."""
    kind = type(estimator).__name__
    told = f"save_model cannot keep {f'{where!r}, ' if where else ''}a {kind}"
    if hasattr(estimator, "best_estimator_"):
        return f"{told}. Save its best_estimator_."
    return (
        f"{told}. It keeps the estimators of skspectra, and of scikit-learn "
        f"{', '.join(sorted(kinds.SKLEARN))}: those that only compute with numbers. "
        "Leave this one out of what is saved, or write the whole with joblib, which "
        "runs code when it is read: for files of your own."
    )
