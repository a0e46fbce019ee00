"""Ours, from the pixels, the large products left to the CPU's bf16 unit.

Operands are rounded to bf16, as PyTorch's are where it is allowed.
"""

from functools import partial

from benchmarks.rivals import fastmlp_float32

label = "fastmlp, uint8 input, bf16"
version = fastmlp_float32.version
train = partial(fastmlp_float32.train, kind="uint8", precision="bf16")
