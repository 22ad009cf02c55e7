"""What a file says, made into estimators again; nothing of it is believed.

It knows the words of `_model_writer` and nothing but them: what it makes is plain, or
of a class in the tables of `_model_kinds`, and fits what these say of it.
"""

import re

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

from skspectra import _model_kinds as kinds
from skspectra._strict_json import shown
from skspectra.exceptions import ModelFileError

__all__ = ["read"]


def read(node: object, arrays: dict[str, np.ndarray]) -> tuple[BaseEstimator, dict]:
    """Return the estimator that a node and arrays describe.

    Parameters
    ----------
    node : object
        Plain values of unknown origin.
    arrays : dict of ndarray
        By name; emptied.

    Returns
    -------
    model : estimator
        It computes on the CPU.
    parts : dict
        The estimators in it, and what their `device` was, None where they have none.

    Raises
    ------
    ModelFileError
        If they describe none.
    """
    reader = _Reader(arrays)
    model = reader.value(node)
    if not isinstance(model, BaseEstimator):
        raise ModelFileError("it holds no estimator")
    if arrays:
        raise ModelFileError(
            f"nothing is said of its array {shown(next(iter(arrays)))}"
        )
    return model, reader.parts


_MOST_LETTERS = 2**20  # of all arrays of words
# scikit-learn asks a pipeline three times for what it asks its only step once: a dozen
# inside each other take seconds, twice as many weeks.
_MOST_PARTS, _MOST_NESTED = 500, 7


class _Reader:
    def __init__(self, arrays):
        self.arrays, self.parts = arrays, {}
        self.n_nested = self.n_letters = self.work = 0

    def value(self, node):
        """Return the value of a node."""
        if isinstance(node, list):
            return [self.value(each) for each in node]
        if not isinstance(node, dict):
            return node
        if len(node) != 1:
            raise ModelFileError(f"it says {shown(sorted(node))} where one word is due")
        ((kind, content),) = node.items()
        read = getattr(self, f"_read_{kind}", None) if kind in _READ else None
        if read is None:
            raise ModelFileError(f"it speaks of {shown(kind)}, which is nothing known")
        return read(content)

    def _read_float(self, text):
        if text not in ("nan", "inf", "-inf"):
            raise ModelFileError(f"{shown(text)} is no number")
        return float(text)

    def _read_tuple(self, nodes):
        return tuple(self._read_list(nodes))

    def _read_list(self, nodes):
        if not isinstance(nodes, list):
            raise ModelFileError(f"it says {shown(nodes)} where a list is due")
        return self.value(nodes)

    def _read_dict(self, nodes):
        if not isinstance(nodes, dict):
            raise ModelFileError(f"it says {shown(nodes)} where names are due")
        return {key: self.value(each) for key, each in nodes.items()}

    def _read_bunch(self, nodes):
        return Bunch(**self._read_dict(nodes))

    def _read_number(self, content):
        kind, node = self._pair(content)
        value = self.value(node)
        if kind not in kinds.NUMBERS or type(value) not in (bool, int, float):
            raise ModelFileError(f"{shown(content)} is no number")
        return np.dtype(kind).type(value)

    def _read_array(self, name):
        if not isinstance(name, str) or name not in self.arrays:
            raise ModelFileError(
                f"there is no array {shown(name)}, or it is named twice"
            )
        return self.arrays.pop(name)

    def _read_transposed(self, name):
        return self._read_array(name).T

    def _read_floats(self, name):
        array = self._read_array(name)
        if array.ndim != 1 or array.dtype != np.float64:
            raise ModelFileError(f"the array {name} is no list of numbers")
        return array.tolist()

    def _read_objects(self, words):
        if not isinstance(words, list) or any(type(word) is not str for word in words):
            raise ModelFileError(f"it says {shown(words)} where words are due")
        return np.array(words, dtype=object)

    def _read_words(self, words):
        array = self._read_objects(words)
        # Each takes as much memory as the longest.
        self.n_letters += len(array) * max(map(len, words), default=0)
        if self.n_letters > _MOST_LETTERS:
            raise ModelFileError("its words are too many, or one of them too long")
        return array.astype(str)

    def _read_record(self, content):
        cls, fields = self._known(kinds.RECORDS, content)
        if fields.keys() != set(cls._fields):
            raise ModelFileError(f"a {cls.__name__} has other fields")
        return cls(**fields)

    def _read_splitter(self, content):
        cls, fields = self._known(kinds.SPLITTERS, content)
        return cls(**fields)

    def _read_random_state(self, content):
        if not isinstance(content, list) or len(content) != 4:
            raise ModelFileError("a RandomState is not as it should be")
        key, (pos, has_gauss, gauss) = self._read_array(content[0]), content[1:]
        whole = key.shape == (624,) and key.dtype == np.uint32
        whole = whole and type(pos) is int and 0 <= pos <= 624 and has_gauss in (0, 1)
        if not whole or type(gauss) is not float:
            raise ModelFileError("a RandomState is not as it should be")
        generator = np.random.RandomState()
        generator.set_state(("MT19937", key, pos, has_gauss, gauss))
        return generator

    def _read_module(self, content):
        from skspectra._modules import MOST_WORK, check_description, rebuild

        description, names = self._pair(content)
        if isinstance(names, str):
            inside = [name for name in self.arrays if name.startswith(f"{names}.")]
            names = {name.removeprefix(f"{names}."): name for name in inside}
        if not isinstance(names, dict):
            raise ModelFileError("the weights of a network have no names")
        weights = {part: self._read_array(name) for part, name in names.items()}
        try:
            self.work += check_description(description, weights)
            if self.work > MOST_WORK:
                raise ValueError(
                    f"for a spectrum, {self.work} pairs of patches would be compared, "
                    f"and {MOST_WORK} may be"
                )
            return rebuild(description, weights)
        except ValueError as error:
            raise ModelFileError(
                f"a network is not as it should be: {error}"
            ) from error

    def _read_estimator(self, content):
        if not isinstance(content, list) or len(content) != 3:
            raise ModelFileError("an estimator is not as it should be")
        name = content[0]
        cls = kinds.find(kinds.OWN, name) or kinds.find(kinds.SKLEARN, name)
        if cls is None:
            raise ModelFileError(
                f"it names the class {shown(name)}, which is not known"
            )
        self.n_nested += 1
        if self.n_nested > _MOST_NESTED or len(self.parts) >= _MOST_PARTS:
            raise ModelFileError(
                f"it holds more than {_MOST_PARTS} estimators, or more than "
                f"{_MOST_NESTED} inside each other"
            )
        parameters, state = self._read_dict(content[1]), self._read_dict(content[2])
        self.n_nested -= 1
        known = kinds.arguments(cls)
        _check_names(name, parameters.keys() <= known - kinds.LEFT_OUT)
        _check_names(name, state.keys().isdisjoint(known))
        estimator = cls(**parameters)
        self.parts[estimator] = parameters.get("device")
        estimator._validate_params()
        if "device" in parameters:
            estimator.device = "cpu"
        (_check_own_state if name in kinds.OWN else _check_state)(name, cls, state)
        vars(estimator).update(state)
        return estimator

    def _known(self, table, content):
        name, nodes = self._pair(content)
        cls = kinds.find(table, name)
        if cls is None:
            raise ModelFileError(
                f"it names the class {shown(name)}, which is not known"
            )
        return cls, self._read_dict(nodes)

    def _pair(self, content):
        if not isinstance(content, list) or len(content) != 2:
            raise ModelFileError(f"it says {shown(content)} where a pair is due")
        return content


_READ = {
    name.removeprefix("_read_") for name in vars(_Reader) if name.startswith("_read_")
}


def _check_names(name, fine):
    if not fine:
        raise ModelFileError(f"a {name} has no such parameters or attributes")


def _check_own_state(name, cls, state):
    """Compare the fitted attributes of an estimator of ours with the table."""
    if not state:
        return
    wanted, sizes = kinds.FITTED[name], {}
    _check_names(name, wanted.keys() <= state.keys() <= {*wanted, *kinds.BESIDES})
    for key, check in (wanted | kinds.BESIDES | wanted).items():
        if key in state and not check(state[key], sizes):
            raise ModelFileError(
                f"{key} of a {name} is not of the kind, size or dtype that it must be, "
                "or not finite"
            )


_MOST_COLUMNS = 2**18
_NO_SIZES = ("n_samples", "classes_", "n_iter_")  # whole numbers of any size


def _check_state(name, cls, state):
    """Refuse what would take the place of a method, and what could spread spectra out.

    Two spectra, whose result is looked at, cannot be spread out by a table; they could
    by a number of columns.
    """
    for key, value in state.items():
        plain = re.fullmatch(r"_?[A-Za-z][A-Za-z0-9_]*", key)
        _check_names(name, plain and not hasattr(cls, key))
        if getattr(value, "ndim", 0) > 2 and key != "mse_path_":
            raise ModelFileError(f"{key} of a {name} has {value.ndim} sides")
        if not key.startswith(_NO_SIZES) and _largest(value) > _MOST_COLUMNS:
            raise ModelFileError(
                f"{key} of a {name} is above {_MOST_COLUMNS}, the most columns"
            )


def _largest(value):
    """Return the largest whole number in a value, or 0."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list | tuple):
        return max(map(_largest, value), default=0)
    if isinstance(value, int | np.integer):
        return value
    whole = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
    return value.max(initial=0) if whole else 0
