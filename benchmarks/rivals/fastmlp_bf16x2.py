"""fastmlp with uint8 samples and ``precision="bf16x2"``: large products by bf16 instructions.

Each operand is the sum of two bf16 terms.
"""

from functools import partial

from benchmarks.rivals import fastmlp_float32

label = "fastmlp, uint8 input, bf16x2"
version = fastmlp_float32.version
train = partial(fastmlp_float32.train, kind="uint8", precision="bf16x2")
