"""The docstrings of the public API: every argument and result is described, and there is an example of everything.

Public are the names that these packages export, and the methods and properties of the exported classes. The sections of
a docstring are checked by numpydoc's own validation; the examples are run as doctests.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import Validator, validate

PACKAGES = ("fastmlp", "fastmlp.data", "fastmlp.estimator", "fastmlp.study")
#: Errors of numpydoc's validation that count. Others concern the style of sentences, their order (a validation set is
#: described beside the training set), extended summaries and references, which are not required.
ERRORS = {
    "GL08": "no docstring",
    "PR01": "a parameter is not documented",
    "PR02": "an unknown parameter is documented",
    "PR04": "a parameter has no type",
    "PR07": "a parameter has no description",
    "PR10": "no space before the colon of a parameter",
    "RT01": "no Returns section",
    "RT03": "a returned value has no description",
    "YD01": "no Yields section",
    "EX01": "no Examples section",
}


def exported(package):
    """Names that a package exports: those that it imports as themselves, also those that are imported on demand."""
    tree = ast.parse(Path(importlib.import_module(package).__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names if alias.name == alias.asname}
    return sorted(name for name in names if not name.startswith("_"))


def public():
    """Full names of the public classes and functions, and of the methods and properties of the classes."""
    seen = set()
    for package in PACKAGES:
        for name in exported(package):
            value = getattr(importlib.import_module(package), name)
            if not (inspect.isclass(value) or inspect.isfunction(value)) or value in seen:
                continue  # data, or exported by two packages
            seen.add(value)
            yield f"{package}.{name}"
            if inspect.isclass(value):
                yield from (f"{package}.{name}.{member}" for member in members(value))


def members(cls):
    """Names of the public methods and properties that a class has from this package."""
    for name in dir(cls):
        owner = next(base for base in cls.__mro__ if name in vars(base))
        member = vars(owner).get(name)
        is_ours = owner.__module__.startswith("fastmlp") and not name.startswith(("_", "set_"))
        if is_ours and (isinstance(member, property) or callable(getattr(cls, name, None))):
            yield name


def parsed(name):
    return Validator(get_doc_object(pkgutil.resolve_name(name)))


def problems(name):
    """Sentences for what the docstring of a public name lacks.

    A constructor's arguments may be described as attributes, for example where the library makes the objects. A
    property may be shown by the example of its class.
    """
    doc = parsed(name)
    found = {code: text for code, text in validate(name)["errors"] if code in ERRORS}
    if inspect.isclass(doc.obj) and "PR01" in found:
        undocumented = set(doc.signature_parameters) - set(doc.doc_all_parameters)
        undocumented -= {part.strip() for names, _, _ in doc.doc["Attributes"] for part in names.split(",")}
        found["PR01"] = f"Parameters {undocumented} not documented"
        if not undocumented:
            del found["PR01"]
    if isinstance(doc.obj, property) and "EX01" in found:
        parent, _, attribute = name.rpartition(".")
        if re.search(rf"\.{attribute}\b", "\n".join(parsed(parent).doc["Examples"])):
            del found["EX01"]
    return [f"{name}: {code} {text}" for code, text in sorted(found.items())]


def test_every_argument_and_result_is_described_and_there_is_an_example():
    assert [problem for name in public() for problem in problems(name)] == []


def test_the_public_names_include_those_imported_on_demand_and_members_of_classes():
    names = set(public())
    assert {"fastmlp.train", "fastmlp.MLPClassifier.fit", "fastmlp.Model.weights", "fastmlp.data.fetch"} <= names
    assert len(names) > 90


class Undocumented:
    """A class without examples, whose members lack what the validation is to find.

    Parameters
    ----------
    a : int
        Described.
    """

    def __init__(self, a, b):
        self.a, self.b = a, b

    @property
    def total(self):
        """Sum, which no example shows."""
        return self.a + self.b

    def scaled(self, factor):
        """Return the scaled sum.

        Parameters
        ----------
        factor
            No type.
        other : int
            Unknown.
        """
        return factor * self.total


@pytest.mark.parametrize(
    ("member", "codes"),
    [("", {"PR01", "EX01"}), (".total", {"EX01"}), (".scaled", {"PR02", "PR04", "RT01", "EX01"})],
)
def test_what_is_missing_is_found(member, codes, monkeypatch):
    monkeypatch.setitem(sys.modules, "undocumented", inspect.getmodule(test_what_is_missing_is_found))
    found = problems(f"undocumented.Undocumented{member}")
    assert {text.split()[1] for text in found} == codes
