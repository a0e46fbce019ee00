"""Every activation, loss and optimizer has its kernel, its reference implementation and its other entries.

Each failure is a sentence with what is missing and where to define it; docs/extending.md adds one of each.
"""

import ast
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import fastmlp
from fastmlp.export.onnx import COMPOSED
from fastmlp.kernels import activation as activation_kernels
from fastmlp.kernels import loss as loss_kernels
from fastmlp.kernels import update as update_kernels
from fastmlp.reference import elementwise, update
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS, Output, Task

ROOT, PACKAGE = Path(__file__).parents[1], Path(fastmlp.__file__).parent
PAGE = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
RECORDS = {"activation": ACTIVATIONS, "loss": LOSSES, "optimizer": OPTIMIZERS}

#: Collections of at least three of the names, besides the records, and why they are there.
COLLECTIONS = {
    ("fastmlp/export/onnx.py", "activation"): "what ONNX has no operator for is composed of others",
    ("fastmlp/export/from_sklearn.py", "optimizer"): "scikit-learn has these three under the name sgd",
    ("fastmlp/kernels/optimizer_state.py", "optimizer"): "the optimizers whose coefficients are computed differently",
}


def undefined(what, module, path, *functions):
    """Sentences for the functions, given as ``name(arguments)``, that a module does not define."""
    for function in functions:
        if not callable(getattr(module, function.partition("(")[0], None)):
            kind = "kernel" if "kernels" in path else "reference implementation"
            yield f"{what} has no {kind}: define {function} in {path}"


def undocumented(what, setting, name):
    """A sentence unless the row of the setting in docs/quickstart.md's table has the name."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{setting}` |"))
    if name not in re.findall(r"\w+", row):
        yield f"{what} is not in docs/quickstart.md: add it to the row of `{setting}` in the table of settings"


def without_formula(what, name, formulas, fixture):
    if name not in formulas:
        yield f"{what} has no formula to be tested against: add it to {fixture} in tests/conftest.py"


def shared_code(what, name, records):
    same = [other for other, record in records.items() if record.code == records[name].code and other != name]
    if same:
        yield f"{what} has the code {records[name].code} of {same[0]!r}: choose one that is not used"


def missing_of_activation(name, records, formulas):
    what, record = f"activation {name!r}", records[name]
    functions = [f"{name}(z)"] + ([f"{name}_backward(d, a)"] if record.derivative_of == "output" else [])
    yield from undefined(what, activation_kernels, "fastmlp/kernels/activation.py", *functions)
    yield from undefined(what, elementwise, "fastmlp/reference/elementwise.py", *functions)
    if (record.onnx is None) != (name in COMPOSED):
        problem = "no ONNX operator: add it to" if record.onnx is None else "an ONNX operator: remove it from"
        yield f"{what} has {problem} COMPOSED in fastmlp/export/onnx.py"
    yield from without_formula(what, name, formulas, "plain_activations")
    yield from undocumented(what, "activation", name)


def missing_of_loss(name, records, formulas):
    what, record = f"loss {name!r}", records[name]
    if not record.tasks or not set(record.tasks) <= set(get_args(Task)):
        yield f"{what} has the tasks {record.tasks}: name at least one of {', '.join(get_args(Task))}"
    if record.output == "softmax":
        if name != "cross_entropy":
            yield f"{what} has the output softmax, for which only cross_entropy has kernels: choose another output"
    elif record.output not in get_args(Output):
        yield f"{what} has the output {record.output!r}: choose one of {', '.join(get_args(Output))}"
    else:
        arguments = "z, out, y, delta"
        yield from undefined(what, loss_kernels, "fastmlp/kernels/loss.py", f"{name}_loss({arguments})")
        yield from undefined(what, elementwise, "fastmlp/reference/elementwise.py", f"{name}_loss({arguments})")
        if hasattr(loss_kernels, f"{name}_backward"):
            path = "fastmlp/reference/elementwise.py"
            yield from undefined(what, elementwise, path, f"{name}_backward(out, y, delta)")
        elif hasattr(elementwise, f"{name}_backward"):
            path = "fastmlp/kernels/loss.py"
            yield from undefined(what, loss_kernels, path, f"{name}_backward(out, y, delta)")
    yield from without_formula(what, name, formulas, "plain_losses")
    yield from undocumented(what, "loss", name)


def missing_of_optimizer(name, records, formulas):
    what, record = f"optimizer {name!r}", records[name]
    first = next(other for other, known in records.items() if known.code == record.code)
    steps = [getattr(update, f"{other}_step", None) for other in (name, first)]
    if steps[0] is None or steps[0] is not steps[1]:  # adamw is adam, and shares its code
        yield from shared_code(what, name, records)
    step = f"{first}_step(params, i, w, g, c)"
    yield from undefined(what, update_kernels, "fastmlp/kernels/update.py", step)
    yield from undefined(what, update, "fastmlp/reference/update.py", f"{name}_step(w, m, v, g, c)")
    yield from without_formula(what, name, formulas, "plain_steps")
    yield from undocumented(what, "optimizer", name)


def check(sentences):
    sentences = list(sentences)
    if sentences:
        pytest.fail("\n".join(sentences), pytrace=False)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_complete(plain_activations, name):
    check(missing_of_activation(name, ACTIVATIONS, plain_activations))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_complete(plain_losses, name):
    check(missing_of_loss(name, LOSSES, plain_losses))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_is_complete(plain_steps, name):
    check(missing_of_optimizer(name, OPTIMIZERS, plain_steps))


def collections_of_names():
    """Places in the package with a tuple, list, set or dict of at least three names of one kind."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            items = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
            words = {item.value for item in items if isinstance(item, ast.Constant)}
            for kind, records in RECORDS.items():
                if len(words & set(records)) >= 3:
                    yield path.relative_to(PACKAGE.parent).as_posix(), kind


def test_no_list_of_names_is_typed_twice():
    found = Counter(collections_of_names())
    records = Counter(("fastmlp/settings.py", kind) for kind in RECORDS)
    again = [f"{path} lists names of the kind {kind} again: read them from the records" for path, kind in
             found - records - Counter(COLLECTIONS.keys())]  # fmt: skip
    check(again)
    assert found == records + Counter(COLLECTIONS.keys())


# The sentences themselves.


def test_an_activation_of_which_only_the_record_exists_is_incomplete(plain_activations):
    records = {**ACTIVATIONS, "swish": replace(ACTIVATIONS["silu"], derivative_of="output")}
    assert list(missing_of_activation("swish", records, plain_activations)) == [
        "activation 'swish' has no kernel: define swish(z) in fastmlp/kernels/activation.py",
        "activation 'swish' has no kernel: define swish_backward(d, a) in fastmlp/kernels/activation.py",
        "activation 'swish' has no reference implementation: define swish(z) in fastmlp/reference/elementwise.py",
        "activation 'swish' has no reference implementation: define swish_backward(d, a) in "
        "fastmlp/reference/elementwise.py",
        "activation 'swish' has no ONNX operator: add it to COMPOSED in fastmlp/export/onnx.py",
        "activation 'swish' has no formula to be tested against: add it to plain_activations in tests/conftest.py",
        "activation 'swish' is not in docs/quickstart.md: add it to the row of `activation` in the table of settings",
    ]


def test_an_activation_with_an_onnx_operator_is_not_composed(plain_activations):
    records = {**ACTIVATIONS, "elu": replace(ACTIVATIONS["elu"], onnx="Elu")}
    assert list(missing_of_activation("elu", records, plain_activations)) == [
        "activation 'elu' has an ONNX operator: remove it from COMPOSED in fastmlp/export/onnx.py"
    ]


def test_a_loss_of_which_only_the_record_exists_is_incomplete(plain_losses):
    records = {**LOSSES, "absolute_error": replace(LOSSES["huber"], tasks=("ranking",))}
    assert list(missing_of_loss("absolute_error", records, plain_losses)) == [
        "loss 'absolute_error' has the tasks ('ranking',): name at least one of classification, multilabel, regression",
        "loss 'absolute_error' has no kernel: define absolute_error_loss(z, out, y, delta) in fastmlp/kernels/loss.py",
        "loss 'absolute_error' has no reference implementation: define absolute_error_loss(z, out, y, delta) in "
        "fastmlp/reference/elementwise.py",
        "loss 'absolute_error' has no formula to be tested against: add it to plain_losses in tests/conftest.py",
        "loss 'absolute_error' is not in docs/quickstart.md: add it to the row of `loss` in the table of settings",
    ]


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("softmax", "has the output softmax, for which only cross_entropy has kernels: choose another output"),
        ("tanh", "has the output 'tanh': choose one of softmax, sigmoid, identity, exp"),
    ],
)
def test_a_loss_whose_output_has_no_kernel_is_incomplete(plain_losses, output, sentence):
    records = {**LOSSES, "huber": replace(LOSSES["huber"], output=output)}
    assert list(missing_of_loss("huber", records, plain_losses)) == [f"loss 'huber' {sentence}"]


@pytest.mark.parametrize(
    ("module", "kind", "path"),
    [
        (loss_kernels, "kernel", "fastmlp/kernels/loss.py"),
        (elementwise, "reference implementation", "fastmlp/reference/elementwise.py"),
    ],
)
def test_a_loss_has_a_derivative_in_both_modules_or_in_none(monkeypatch, plain_losses, module, kind, path):
    monkeypatch.delattr(module, "huber_backward")
    assert list(missing_of_loss("huber", LOSSES, plain_losses)) == [
        f"loss 'huber' has no {kind}: define huber_backward(out, y, delta) in {path}"
    ]


def test_an_optimizer_of_which_only_the_record_exists_is_incomplete(plain_steps):
    records = {**OPTIMIZERS, "adagrad": replace(OPTIMIZERS["rmsprop"], code=99)}
    assert list(missing_of_optimizer("adagrad", records, plain_steps)) == [
        "optimizer 'adagrad' has no kernel: define adagrad_step(params, i, w, g, c) in fastmlp/kernels/update.py",
        "optimizer 'adagrad' has no reference implementation: define adagrad_step(w, m, v, g, c) in "
        "fastmlp/reference/update.py",
        "optimizer 'adagrad' has no formula to be tested against: add it to plain_steps in tests/conftest.py",
        "optimizer 'adagrad' is not in docs/quickstart.md: add it to the row of `optimizer` in the table of settings",
    ]


def test_optimizers_share_a_code_only_if_they_share_a_step(plain_steps):
    records = {**OPTIMIZERS, "nadam": replace(OPTIMIZERS["nadam"], code=OPTIMIZERS["adam"].code)}
    assert list(missing_of_optimizer("nadam", records, plain_steps)) == [
        "optimizer 'nadam' has the code 1 of 'adam': choose one that is not used"
    ]
