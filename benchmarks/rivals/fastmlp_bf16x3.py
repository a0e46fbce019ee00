"""Ours, from the pixels, the large products left to the CPU's bf16 unit.

Numbers are the sum of three bf16 terms, so float32's accuracy.
"""

from functools import partial

from benchmarks.rivals import fastmlp_float32

label = "fastmlp, uint8 input, bf16x3"
version = fastmlp_float32.version
train = partial(fastmlp_float32.train, kind="uint8", precision="bf16x3")
