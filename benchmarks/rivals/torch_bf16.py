"""PyTorch with a compiled step, whose matrix products may round their operands to bf16.

Without AMX, oneDNN computes in float32 nevertheless: on a Genoa, which has AVX512-BF16, the losses equal those of
`torch_compiled`.
"""

from functools import partial

from benchmarks.rivals import torch_compiled

label = "PyTorch, compiled, bf16 allowed"
version = torch_compiled.version
train = partial(torch_compiled.train, precision="medium")
