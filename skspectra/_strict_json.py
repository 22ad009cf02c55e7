"""JSON from unknown sources: what Python's reader lets pass is refused."""

import json
import math
from collections import Counter

from skspectra.exceptions import ModelFileError

__all__ = ["parse_json", "shown"]

_MOST_DIGITS = 20  # of 64 bits


def parse_json(text: str) -> object:
    """Parse JSON without doubtful parts.

    Parameters
    ----------
    text : str
        What to parse.

    Returns
    -------
    object
        Of dict, list, str, int, float, bool and None.

    Raises
    ------
    ModelFileError
        If it is no JSON, too deep, names a key twice, or holds a number that is not
        finite or of more than 64 bits.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except ModelFileError:
        raise
    except RecursionError as error:
        raise ModelFileError("its JSON is too deep") from error
    except ValueError as error:
        raise ModelFileError(f"its JSON cannot be read: {error}") from error


def _object(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ModelFileError(f"its JSON says {shown(twice)} twice")
    return found


def _constant(name):
    raise ModelFileError(f"its JSON holds {name}, which is no number")


def _integer(digits):
    if len(digits.lstrip("-")) > _MOST_DIGITS:
        raise ModelFileError(f"its JSON holds a number of {len(digits)} digits")
    return int(digits)


def _number(digits):
    number = float(digits)
    if not math.isfinite(number):
        raise ModelFileError("its JSON holds a number that is too large")
    return number


def shown(value: object, most: int = 80) -> str:
    """Return what a file says in a form that does no harm in a message.

    Parameters
    ----------
    value : object
        Names may hold escape sequences of terminals, and be of any length.
    most : int, default=80
        Number of characters.

    Returns
    -------
    str
        ASCII, on one line, cut off.
    """
    text = ascii(value)
    return text if len(text) <= most else f"{text[: most - 4]} ..."
