"""fastmlp with uint8 samples, which it converts batch by batch."""

from functools import partial

from benchmarks.rivals import fastmlp_float32

label = "fastmlp, uint8 input"
version = fastmlp_float32.version
train = partial(fastmlp_float32.train, kind="uint8")
