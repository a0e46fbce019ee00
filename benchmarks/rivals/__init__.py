"""The rivals, one module each, each with the same three names.

- ``label``: what it is called in tables and plots.
- ``version()``: of what it is made of.
- ``train(task, ready, report)``: trains for `task.n_epochs` epochs. It calls ``ready(compile_s)`` when all is in memory
  and compiled, and ``report(epoch_s, loss)`` after each epoch, `loss` by `Workload.loss`, outside the clock. Both calls
  return when the next epoch is wanted.

Each is at its best honest set-up, found by trying the alternatives that its docstring names. The order of the samples
is given to the rivals, outside the clock; fastmlp shuffles inside it. Rivals need not add up a training loss; fastmlp
does. A rival's package is imported inside its functions, so that a missing one can be left out; one that this CPU has
no unit for raises `NoBf16Error`, and is left out too.
"""

import importlib
from types import ModuleType

#: Whose speed the others are compared with.
OURS = "fastmlp_float32"
#: Ours that need a bf16 unit which not every CPU has.
BF16_NAMES = ("fastmlp_bf16x3", "fastmlp_bf16x2", "fastmlp_bf16")
NAMES = (
    "fastmlp_uint8",
    *BF16_NAMES,
    "numpy_blas",
    "sklearn_mlp",
    "torch_eager",
    "torch_compiled",
    "torch_bf16",
    "jax_scan",
    "jax_unfused",
)


class NoBf16Error(RuntimeError):
    """This CPU has no unit that is suited to the rival's precision."""


def load(name: str) -> ModuleType:
    """The rival's module."""
    return importlib.import_module(f"benchmarks.rivals.{name}")
