"""The shape of the package: imports go down only, functions and files stay small.

docs/developing.rst says in words what is checked here.
"""

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1] / "skspectra"

# From the top down. A module imports from its own layer and those below.
LAYERS = [
    {"__main__", "cli", "evaluation", "inspection"},
    {
        "_pretrainer",
        "_regressor",
        "_classifier",
        "_supervised",
        "_pls",
        "_model_checks",
        "_model_kinds",
        "_model_reader",
        "_model_writer",
        "_normalizer",
        "_novelty",
        "_persistence",
        "_pickling",
        "_resampler",
        "_stacking",
        "_treatments",
        "_tuned_pls",
        "_views",
    },
    {
        "_training",
        "_parts",
        "_processes",
        "_attribution",
        "_batches",
        "_corpus",
        "_pretraining",
        "_row_blocks",
        "_survey",
        "_inference",
        "_model_file",
        "_modules",
        "_strict_json",
        "_whole_file",
        "_checkpoint",
        "_folds",
        "_net",
        "_provenance",
        "_ranges",
        "_patches",
        "_scaling",
        "_seeding",
        "_probe",
        "_progress",
        "_pls_path",
        "_sinkhorn",
        "_gaussian_process",
        "_stack",
        "_subspace",
    },
    {"nn"},
]
# At the side: everybody but `nn` may import them, and they know no estimator.
SIDE = {"_axes", "_inputs", "_table_axis", "_validation", "_versions"}
SIDE |= {"_callbacks", "_drawing", "datasets", "exceptions", "io", "metrics"}

LONGEST_FUNCTION, USUAL_FUNCTION, LONGEST_FILE = 60, 30, 300


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def dotted(path):
    """Name a module relative to the package, "" being the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(tree):
    """Yield the dotted name of each imported thing, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: import by the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


TREES = {dotted(path): parse(path) for path in sorted(ROOT.rglob("*.py"))}
IMPORTS = {module: set(imports(tree)) for module, tree in TREES.items()}


def importers_of(name):
    """Return the modules that import `name` or anything in it."""
    return {
        module
        for module, names in IMPORTS.items()
        if any(f"{each}.".startswith(f"{name}.") for each in names)
    }


def own_modules(names):
    """Return which modules of this package the imported things stand in."""
    own = {name.removeprefix("skspectra").lstrip(".") for name in names if is_own(name)}
    return {name if name in TREES else name.rpartition(".")[0] for name in own}


def is_own(name):
    return f"{name}.".startswith("skspectra.")


def room(module):
    return module.split(".")[0]


def level(module):
    """Return the number of a module's layer, or None at the side."""
    for number, rooms in enumerate(LAYERS):
        if room(module) in rooms:
            return number
    assert room(module) in SIDE, f"give {module!r} a place in LAYERS or SIDE"
    return None


MODULES = sorted(set(TREES) - {""})


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module):
    for imported in own_modules(IMPORTS[module]) - {module}:
        if room(imported) == room(module):
            continue
        if not imported:
            assert level(module) == 0, f"{module} is imported by the package itself"
        elif level(module) is None:
            assert room(imported) in SIDE, f"{module} must know no {imported}"
        elif level(imported) is not None:
            assert level(imported) >= level(module), f"{module} is below {imported}"


def test_no_module_needs_itself():
    TopologicalSorter(
        {module: own_modules(names) - {module} for module, names in IMPORTS.items()}
    ).prepare()


def test_the_torch_modules_know_torch_alone():
    for module in MODULES:
        if room(module) != "nn":
            continue
        for name in IMPORTS[module]:
            package = name.split(".")[0]
            known = package in sys.stdlib_module_names or package == "torch"
            assert known or name.startswith("skspectra.nn."), f"{module}: {name}"


@pytest.mark.parametrize(
    "name, only",
    [
        ("skorch", {"_net"}),
        ("sklearn.callback", {"_callbacks"}),
        ("accelerate", {"_processes"}),
        ("captum", {"_attribution"}),
        ("ikpls", {"_pls_path"}),
        ("jinja2", {"evaluation._report"}),
        ("ot", {"_sinkhorn"}),
        ("sklearn.utils._param_validation", {"_validation"}),
        ("click", {module for module in MODULES if room(module) == "cli"}),
        ("safetensors", {"_checkpoint", "_model_file"}),
        ("openpyxl", {"io._workbook"}),
        ("brukeropus", {"io._opus"}),
    ],
)
def test_one_file_knows(name, only):
    assert importers_of(name) <= only


def test_estimators_leave_tensors_to_the_layers_below():
    assert {level(module) for module in importers_of("torch")} <= {2, 3}


def test_matplotlib_is_imported_where_something_is_drawn():
    for module, tree in TREES.items():
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        inside = {id(node) for each in functions for node in ast.walk(each)}
        outside = [node for node in ast.walk(tree) if id(node) not in inside]
        names = {
            name
            for node in outside
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in imports(node)
        }
        assert not any(f"{name}.".startswith("matplotlib.") for name in names), module


def code_lines(path):
    """Return the numbers of the lines that are neither blank nor in a docstring."""
    lines = path.read_text(encoding="utf-8").splitlines()
    numbers = {number for number, line in enumerate(lines, 1) if line.strip()}
    for node in ast.walk(parse(path)):
        if not isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            numbers -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return numbers


def only_stores_parameters(node):
    """Whether a constructor does what scikit-learn asks: one line for a parameter."""
    stored = {f"self.{arg.arg} = {arg.arg}" for arg in node.args.args[1:]}
    stored |= {f"self.{arg.arg} = {arg.arg}" for arg in node.args.kwonlyargs}
    return node.name == "__init__" and {*map(ast.unparse, node.body)} == stored


def function_lengths():
    for path in sorted(ROOT.rglob("*.py")):
        numbers = code_lines(path)
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if only_stores_parameters(node):
                    continue
                lines = numbers & set(range(node.lineno, node.end_lineno + 1))
                yield f"{dotted(path)}.{node.name}", len(lines)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=dotted)
def test_a_file_holds_one_idea(path):
    assert len(code_lines(path)) <= LONGEST_FILE


def test_a_function_fits_on_a_page():
    lengths = list(function_lengths())
    assert [entry for entry in lengths if entry[1] > LONGEST_FUNCTION] == []
    assert np.percentile([n for _, n in lengths], 90) <= USUAL_FUNCTION
