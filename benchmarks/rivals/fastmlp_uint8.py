"""Ours, from the pixels as they lie."""

from functools import partial

from benchmarks.rivals import fastmlp_float32

label = "fastmlp, uint8 input"
version = fastmlp_float32.version
train = partial(fastmlp_float32.train, kind="uint8")
