"""Every activation, loss and optimizer has a kernel and a reference implementation, and no code is used twice."""

import pytest

from fastmlp.export.onnx import COMPOSED
from fastmlp.kernels import activation, loss, update
from fastmlp.reference import elementwise
from fastmlp.reference import update as reference_update
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS


def path_of(module):
    return module.__name__.replace(".", "/") + ".py"


def missing(kind, name, functions, modules):
    """One sentence per function that a module lacks."""
    return [
        f"{kind} {name!r}: {path_of(module)} has no function {function}"
        for module in modules
        for function in functions
        if not callable(getattr(module, function, None))
    ]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_implemented(name, plain_activations):
    record = ACTIVATIONS[name]
    functions = [name] if record.derivative_of == "input" else [name, f"{name}_backward"]
    problems = missing("activation", name, functions, (activation, elementwise))
    if name not in plain_activations:
        problems.append(f"activation {name!r}: the fixture plain_activations in tests/conftest.py has no formula")
    if record.onnx is None and name not in COMPOSED:
        problems.append(f"activation {name!r}: its record has no ONNX operator, nor has COMPOSED in export/onnx.py")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_implemented(name):
    if LOSSES[name].output == "softmax":  # of all outputs at once, which have a kernel of their own
        functions = ["softmax_forward", "softmax_backward"]
    else:
        functions = [f"{name}_loss"]
        if any(hasattr(module, f"{name}_backward") for module in (loss, elementwise)):
            functions.append(f"{name}_backward")
    problems = missing("loss", name, functions, (loss, elementwise))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_implemented(name):
    shared = [other for other, record in OPTIMIZERS.items() if record.code == OPTIMIZERS[name].code]
    kernels = [] if any(hasattr(update, f"{other}_step") for other in shared) else [f"{name}_step"]
    problems = missing("optimizer", name, kernels, (update,))
    problems += missing("optimizer", name, [f"{name}_step"], (reference_update,))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("records", [ACTIVATIONS, LOSSES], ids=["activations", "losses"])
def test_no_code_is_used_twice(records):
    assert len({record.code for record in records.values()}) == len(records)
