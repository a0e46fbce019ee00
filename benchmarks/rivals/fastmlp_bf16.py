"""fastmlp with uint8 samples and ``precision="bf16"``: large products by bf16 instructions.

Each operand is rounded to bf16, as PyTorch does where bf16 is allowed.
"""

from functools import partial

from benchmarks.rivals import fastmlp_float32

label = "fastmlp, uint8 input, bf16"
version = fastmlp_float32.version
train = partial(fastmlp_float32.train, kind="uint8", precision="bf16")
