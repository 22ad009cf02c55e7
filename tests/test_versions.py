"""Continuous integration installs what pyproject.toml admits, oldest and newest."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
# Older ones than this are in the registry for CUDA only.
OLDEST_TORCH_FOR_CPUS = Version("2.13.0")


def admitted():
    """Return what pyproject.toml says of each dependency, by its name."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    listed = map(Requirement, sum(extras.values(), project["dependencies"]))
    found = {}
    for requirement in listed:
        name = canonicalize_name(requirement.name)
        if name != project["name"]:  # an extra that takes in others
            found.setdefault(name, set()).add(requirement.specifier)
    return found


def pinned(name):
    """Return the version of each package that a file of .ci pins, by its name."""
    path = ROOT / ".ci" / name
    if not path.exists():
        pytest.skip(f"{name} lies in a checkout only")
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    versions = {canonicalize_name(name): Version(version) for name, version in pairs}
    assert len(versions) == len(pairs)
    return versions


def test_a_dependency_has_one_range_with_a_minimum():
    for name, specifiers in admitted().items():
        assert len(specifiers) == 1, name
        assert [s.operator for s in next(iter(specifiers))].count(">=") == 1, name


def test_the_oldest_versions_are_the_minima():
    versions = pinned("constraints-oldest.txt")
    minima = {
        name: Version(specifier.version)
        for name, (specifiers,) in admitted().items()
        for specifier in specifiers
        if specifier.operator == ">="
    }
    assert minima.pop("torch") <= OLDEST_TORCH_FOR_CPUS == versions.pop("torch")
    assert {name: versions.get(name) for name in minima} == minima


def test_the_newest_versions_are_admitted():
    versions = pinned("constraints.txt")
    for name, (specifiers,) in admitted().items():
        assert name in versions, f"{name} is not pinned"
        assert versions[name] in specifiers, name
