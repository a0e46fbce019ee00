"""Sets of CPU features that a wheel may carry compiled kernels for, and their folder within the package.

The folder holds files of the cache (`fastmlp.codegen.cache`) that scripts/precompile.py wrote. The name of the CPU that
a set is compiled for decides how LLVM schedules instructions, see `FeatureSet`.
"""

from pathlib import Path
from typing import Final, NamedTuple

from fastmlp.codegen import cpu

#: Where a wheel has compiled kernels; elsewhere it does not exist.
FOLDER = Path(__file__).parents[1] / "compiled"


class FeatureSet(NamedTuple):
    """CPU features that kernels are compiled for.

    Attributes
    ----------
    cpu_name : str
        LLVM's name of the CPU whose instructions it schedules for. With 16 vector registers "generic" spills
        accumulators: on a Zen 5 limited to AVX2, epochs of five networks took 1.3 to 1.6 times as long as with code for
        that CPU, and with "x86-64-v3" as long, within 3 %. "x86-64-v4" would split vectors of 512 bits; with 32
        registers, "generic" is as fast as code for that CPU, within 3 %.
    features : tuple of str
        LLVM's names of the features, all of which a CPU must have; among them those that the name implies.
    vector_bits : int
        `fastmlp.codegen.cpu.vector_bits` of such a CPU, which is a part of the code.
    bf16_instructions : str
        `fastmlp.codegen.cpu.bf16_instructions` of such a CPU, which is a part of the code too.
    """

    cpu_name: str
    features: tuple[str, ...]
    vector_bits: int
    bf16_instructions: str = ""

    @property
    def variable(self) -> str:
        """The features as a value of ``NUMBA_CPU_FEATURES``."""
        return ",".join(f"+{name}" for name in self.features)


_V3 = "sse4.2", "cx16", "sahf", "crc32", "popcnt", "xsave", "avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"
_AVX512 = *_V3, "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"
_BF16 = *_AVX512, "avx512bf16"
_X86: Final = {
    "avx2": FeatureSet("x86-64-v3", _V3, 256),
    "avx512": FeatureSet("generic", _AVX512, 512),
    "avx512bf16": FeatureSet("generic", _BF16, 512, "avx512bf16"),
    "amx": FeatureSet("generic", (*_BF16, "amx-tile", "amx-bf16"), 512, "amx"),
}
_ARM: Final = {"neon": FeatureSet("generic", ("neon",), 128)}


def feature_sets() -> dict[str, FeatureSet]:
    """The sets of the host's architecture by name.

    Examples
    --------
    >>> all(feature_set.variable.startswith("+") for feature_set in feature_sets().values())
    True
    """
    return _ARM if cpu.is_arm() else _X86


def matching_key(cpu_key: tuple[str, ...]) -> tuple[str, ...] | None:
    """Triple, name and features that a wheel's kernels for a CPU were compiled for; None where there are none.

    The vector width and the bf16 instructions of the set must be those that this process would compile for, and its
    features among those of the CPU.

    Parameters
    ----------
    cpu_key : tuple of str
        Triple, name and features of the CPU, as Numba compiles for it: by its own environment variables, too.

    Examples
    --------
    >>> matching_key(("x86_64-unknown-linux-gnu", "znver4", "+sse2,-avx")) is None or cpu.is_arm()
    True
    """
    triple, _, features = cpu_key
    available = {word[1:] for word in features.split(",") if word.startswith("+")}
    if cpu.is_arm():
        available.add("neon")  # which every AArch64 CPU has; macOS does not list it
    assumed = cpu.vector_bits(), cpu.bf16_instructions()
    for found in feature_sets().values():
        if available.issuperset(found.features) and assumed == (found.vector_bits, found.bf16_instructions):
            return triple, found.cpu_name, found.variable
    return None
