"""What the docstrings promise is what the signatures say, and all of it is listed."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate

import skspectra

API = Path(__file__).parents[1] / "docs" / "api.rst"

# What numpydoc asks for and this project does not: three sections in every docstring
# (ES01, SA01, EX01), no names of returned values (RT02), and a full stop after
# descriptions that end in a bracket or a formula (PR09, RT05).
NOT_ASKED_FOR = {"ES01", "SA01", "EX01", "RT02", "PR09", "RT05"}


def public_modules():
    """Return the package and its modules without an underscore, the CLI left out."""
    names = ["skspectra"]
    for info in pkgutil.iter_modules(skspectra.__path__, "skspectra."):
        if (
            not info.name.split(".")[-1].startswith("_")
            and info.name != "skspectra.cli"
        ):
            names.append(info.name)
    return [importlib.import_module(name) for name in names]


MODULES = public_modules()
OBJECTS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in module.__all__
}


def methods(name, owner):
    """Yield the public methods and properties that a class defines itself."""
    for key, member in vars(owner).items():
        known = inspect.isfunction(member) or isinstance(member, property)
        if known and not key.startswith("_"):
            yield f"{name}.{key}", member


DOCUMENTED = OBJECTS | {
    name: member
    for owner_name, owner in OBJECTS.items()
    if inspect.isclass(owner)
    for name, member in methods(owner_name, owner)
}
# Warnings have no signature of their own.
CALLED = {
    name: member
    for name, member in DOCUMENTED.items()
    if not isinstance(member, property)
    and not (inspect.isclass(member) and issubclass(member, Warning | ValueError))
}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_all_is_sorted_and_complete(module):
    inside = f"{module.__name__}."
    public = set()
    for name in dir(module):
        home = f"{getattr(getattr(module, name), '__module__', '')}."
        # What the layers below need too lives there, and is public where listed.
        shared = name in module.__all__ and home.startswith("skspectra._")
        if not name.startswith("_") and (home.startswith(inside) or shared):
            public.add(name)
    assert module.__all__ == sorted(module.__all__)
    assert set(module.__all__) == public


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstring_has_its_sections(name):
    found = [e for e in validate(name)["errors"] if e[0] not in NOT_ASKED_FOR]
    assert found == []


@pytest.mark.parametrize("name", CALLED)
def test_documented_parameters_are_those_of_the_signature(name):
    expected = {
        key: parameter.default
        for key, parameter in inspect.signature(CALLED[name]).parameters.items()
        if key != "self"
    }
    parse = ClassDoc if inspect.isclass(CALLED[name]) else FunctionDoc
    documented = parse(CALLED[name])["Parameters"]
    assert [parameter.name.lstrip("*") for parameter in documented] == list(expected)
    for parameter in documented:
        default = expected[parameter.name.lstrip("*")]
        assert says(parameter.type, default), f"{parameter.name}: {default!r}"


def says(kind, default):
    """Whether the type of a documented parameter ends in this default."""
    stated = re.search(r"default=(.+)$", kind)
    if default is inspect.Parameter.empty:
        return not stated
    if kind == "Ignored" or kind.endswith(", optional"):
        return default is None
    if inspect.ismodule(default):
        return bool(stated) and stated[1] == default.__name__
    return bool(stated) and ast.literal_eval(stated[1]) == default


@pytest.mark.parametrize(
    "name", [name for name in OBJECTS if not name.startswith("skspectra.nn.")]
)
def test_docstring_has_an_example(name):
    parse = ClassDoc if inspect.isclass(OBJECTS[name]) else FunctionDoc
    assert parse(OBJECTS[name])["Examples"]


def names_in_api():
    """Yield the full names that the reference lists, module by module."""
    module = None
    for line in API.read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split("::")[1].strip()
        elif re.fullmatch(r"   \w+", line):
            yield f"{module}.{line.strip()}"


def test_the_reference_lists_every_public_name_once():
    assert sorted(names_in_api()) == sorted(OBJECTS)
