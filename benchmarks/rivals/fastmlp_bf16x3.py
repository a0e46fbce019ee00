"""fastmlp with uint8 samples and ``precision="bf16x3"``: large products by bf16 instructions.

Each operand is the sum of three bf16 terms, which gives float32's accuracy.
"""

from functools import partial

from benchmarks.rivals import fastmlp_float32

label = "fastmlp, uint8 input, bf16x3"
version = fastmlp_float32.version
train = partial(fastmlp_float32.train, kind="uint8", precision="bf16x3")
