"""JAX as in `jax_scan`, with the other setting of XLA's flag for fusion on the CPU (on, by default)."""

from functools import partial

from benchmarks.rivals import jax_scan

label = "JAX, fusion emitters off"
version = jax_scan.version
train = partial(jax_scan.train, flags="--xla_cpu_use_fusion_emitters=false")
