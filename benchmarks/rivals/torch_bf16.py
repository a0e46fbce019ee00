"""PyTorch with a compiled step, its matrix products allowed to round their operands to bf16.

Where the CPU has no AMX, oneDNN computes in float32 all the same: on a Genoa, which has AVX512-BF16, losses equal those
of the row without.
"""

from functools import partial

from benchmarks.rivals import torch_compiled

label = "PyTorch, compiled, bf16 allowed"
version = torch_compiled.version
train = partial(torch_compiled.train, precision="medium")
