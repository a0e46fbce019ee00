"""A limit of all libraries to AVX2 code, on a CPU with AVX-512: ``python -m benchmarks --instructions avx2``.

It is a second opinion on CPUs with AVX2, never a measurement of one: caches, ports and clock remain those of the CPU
with AVX-512. Its record is of a kind of its own, "AVX2 code on <CPU>". Each library has its own switch. On a Zen 5,
whose FMA peak is 282 GFLOP/s with vectors of 512 bits and 144 with 256 bits, a product of two 1024 x 1024 matrices and
an elementwise function show the effect of each:

=============  =================  ==========================  =======================================================
library        GFLOP/s            ns per element              remarks
=============  =================  ==========================  =======================================================
NumPy          241 to 128         exp, 0.31 to 0.51           scikit-learn's products are NumPy's
PyTorch        108 to 108         sigmoid, 0.21 to 0.42       by MKL, which uses AVX2 on AMD in any case: its switch is
                                                              not verified. By oneDNN (compiled predictions of 5,000
                                                              samples, 784-128-10): 5.1 ms to 10.5 ms
JAX, Keras     246 to 104         sigmoid, 0.28 to 0.44       by oneDNN in place of YNNPACK, which has no switch
=============  =================  ==========================  =======================================================

ONNX Runtime has no such switch, and is left out.
"""

import os
import re
import sys

import llvmlite.binding as llvm

#: The instruction set, as records and tables name it.
NAME = "AVX2"
#: Variables by which libraries are told which code to use. A login script that sets OPENBLAS_CORETYPE=Haswell, for
#: example, halves the speed of NumPy's products on a Zen 5.
LIBRARY_VARIABLES = (
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES",
    "ATEN_CPU_CAPABILITY", "TORCHINDUCTOR_CPP_MARCH", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "XLA_FLAGS",
)  # fmt: skip
#: Rivals that cannot be limited.
UNLIMITED_RIVALS = ("onnx_runtime",)


def environment() -> dict[str, str]:
    """Environment variables that limit all libraries to AVX2, for this CPU."""
    host = llvm.get_host_cpu_features()
    wider = [name for name in host if re.match(r"avx512|avx10|amx", name)]
    return {
        # As in tests/test_instruction_sets.py: not the vectors alone, but also the 32 registers of AVX-512.
        "NUMBA_CPU_FEATURES": llvm.FeatureMap({**host, **dict.fromkeys(wider, False)}).flatten(),
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
        "ATEN_CPU_CAPABILITY": "avx2",
        "TORCHINDUCTOR_CPP_MARCH": "x86-64-v3",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type=",
    }


def is_active() -> bool:
    """Whether this process, and those that it starts, are limited to AVX2."""
    return all(os.environ.get(name) == value for name, value in environment().items())


def worker_environment() -> dict[str, str]:
    """Environment variables of the workers: this process's, in which each library chooses its code by itself.

    The variables that a limit sets are kept while it is active.
    """
    removed = () if is_active() else LIBRARY_VARIABLES
    return {name: value for name, value in os.environ.items() if name not in removed}


def restart(arguments: list[str]) -> None:
    """Replace this process by one with the same arguments, limited to AVX2.

    The libraries read the variables when they are loaded, which has already happened in this process.
    """
    if not llvm.get_host_cpu_features().get("avx512f"):
        sys.exit("--instructions: expected a CPU with AVX-512; a CPU with AVX2 is measured without this option")
    os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *arguments], {**os.environ, **environment()})
