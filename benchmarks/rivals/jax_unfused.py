"""JAX as in `jax_scan`, with XLA's fusion emitters for the CPU, which are on by default, turned off."""

from functools import partial

from benchmarks.rivals import jax_scan

label = "JAX, fusion emitters off"
version = jax_scan.version
train = partial(jax_scan.train, flags=("--xla_cpu_use_fusion_emitters=false",))
