"""The rivals, one module each, with some of these names.

- ``label``: its name in tables and plots.
- ``version()``: the library that it uses, and its version.
- ``train(workload, ready, report)``: trains for `workload.n_epochs` epochs. It calls ``ready(compile_s)`` once the data
  is in memory and the code is compiled, and ``report(epoch_s, loss)`` after each epoch; the loss is that of
  `Workload.loss`, whose time is not included. Both calls return when the next epoch is requested.
- ``predictor(workload)``: returns a function from samples, a float32 array of `Workload.calls`, to their probabilities,
  an array that may be overwritten by the next call.

Each rival has its fastest set-up that computes the same training, or the same probabilities; its docstring names the
alternatives that were tried. The order of the samples is given to the rivals and is not part of their time; fastmlp's
time includes its shuffle. fastmlp also sums up the training loss, which rivals need not do. A rival imports its library
inside its functions, so that it can be left out where the library is missing. A rival that needs bf16 instructions
raises `NoBf16Error` where this CPU does not have them, and is left out too.
"""

import importlib
from types import ModuleType

#: The baseline of all comparisons.
OURS = "fastmlp_float32"
#: fastmlp in precisions that need bf16 instructions, which not every CPU has.
BF16_NAMES = ("fastmlp_bf16x3", "fastmlp_bf16x2", "fastmlp_bf16")
#: Other libraries, and their set-ups in float32.
LIBRARIES = {
    "NumPy": ("numpy_blas",),
    "scikit-learn": ("sklearn_mlp",),
    "PyTorch": ("torch_eager", "torch_compiled"),
    "JAX": ("jax_scan", "jax_unfused"),
    "Keras": ("keras_jax",),
    "ONNX Runtime": ("onnx_runtime",),
}
LIBRARY_OF = {name: library for library, names in LIBRARIES.items() for name in names}
#: The rivals of each task, in the order of the full tables.
NAMES = {
    "train": (
        "fastmlp_uint8",
        *BF16_NAMES,
        *(name for name in LIBRARY_OF if name != "onnx_runtime"),
        "torch_bf16",
    ),
    "predict": ("fastmlp_estimator", *(name for name in LIBRARY_OF if name != "jax_unfused")),
}


class NoBf16Error(RuntimeError):
    """This CPU has no bf16 instructions with which the rival's precision would be faster than float32."""


def load(name: str) -> ModuleType:
    """The rival's module."""
    return importlib.import_module(f"benchmarks.rivals.{name}")
