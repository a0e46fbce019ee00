"""The processor: its name, microarchitecture, instruction set and caches, as the tables name it.

Virtual machines often report a name without a model, such as "AMD EPYC": the microarchitecture is then found by family
and model, which they do report.
"""

import platform
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding as llvm

from fastmlp.codegen.cpu import CACHES

CPUINFO = Path("/proc/cpuinfo")

#: Families of AMD, each with ranges of models: those by which the Linux kernel tells Zen 1 to 5 apart
#: (arch/x86/kernel/cpu/amd.c).
AMD = {
    0x17: {"Zen": [(0x00, 0x2F), (0x50, 0x5F)], "Zen 2": [(0x30, 0x4F), (0x60, 0x7F), (0x90, 0x91), (0xA0, 0xAF)]},
    0x19: {"Zen 3": [(0x00, 0x0F), (0x20, 0x5F)], "Zen 4": [(0x10, 0x1F), (0x60, 0xAF)]},
    0x1A: {"Zen 5": [(0x00, 0x2F), (0x40, 0x4F), (0x60, 0x7F)]},
}
#: Models of Intel's family 6, from the Linux kernel's list (arch/x86/include/asm/intel-family.h). One model number
#: stands for Skylake, Cascade Lake and Cooper Lake; they differ in the stepping.
INTEL = {
    0x3C: "Haswell", 0x3F: "Haswell", 0x45: "Haswell", 0x46: "Haswell",
    0x3D: "Broadwell", 0x47: "Broadwell", 0x4F: "Broadwell", 0x56: "Broadwell",
    0x4E: "Skylake", 0x5E: "Skylake", 0x8E: "Kaby Lake", 0x9E: "Kaby Lake", 0xA5: "Comet Lake", 0xA6: "Comet Lake",
    0x6A: "Ice Lake", 0x6C: "Ice Lake", 0x7D: "Ice Lake", 0x7E: "Ice Lake", 0x8C: "Tiger Lake", 0x8D: "Tiger Lake",
    0xA7: "Rocket Lake", 0x97: "Alder Lake", 0x9A: "Alder Lake", 0xB7: "Raptor Lake", 0xBA: "Raptor Lake",
    0xBF: "Raptor Lake", 0xAA: "Meteor Lake", 0xAC: "Meteor Lake", 0xC5: "Arrow Lake", 0xC6: "Arrow Lake",
    0xBD: "Lunar Lake", 0x8F: "Sapphire Rapids", 0xCF: "Emerald Rapids", 0xAD: "Granite Rapids",
    0xAE: "Granite Rapids",
}  # fmt: skip
#: First steppings of the successors of Skylake servers (model 0x55).
SKYLAKE_SERVERS = {10: "Cooper Lake", 5: "Cascade Lake", 0: "Skylake"}


class Processor(NamedTuple):
    """One kind of processor.

    Attributes
    ----------
    name : str
        As the operating system reports it.
    family, model, stepping : int or None
        Numbers by which x86 processors are identified.
    microarchitecture : str or None
        None if it is unknown.
    """

    name: str
    family: int | None
    model: int | None
    stepping: int | None
    microarchitecture: str | None


def identify(cpuinfo: str) -> Processor:
    """The processor that the text of Linux's /proc/cpuinfo describes."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name") or platform.processor() or llvm.get_host_cpu_name()
    keys = ("cpu family", "model", "stepping")
    family, model, stepping = (int(fields[key]) if fields.get(key, "").isdecimal() else None for key in keys)
    known = None
    if family is not None and model is not None:
        known = _microarchitecture(fields.get("vendor_id", ""), family, model, stepping or 0)
    return Processor(name, family, model, stepping, known)


def _microarchitecture(vendor: str, family: int, model: int, stepping: int) -> str | None:
    if vendor == "AuthenticAMD":
        ranges = AMD.get(family, {}).items()
        return next((name for name, pairs in ranges if any(first <= model <= last for first, last in pairs)), None)
    if vendor == "GenuineIntel" and family == 6:
        if model == 0x55:
            return next(name for first, name in SKYLAKE_SERVERS.items() if stepping >= first)
        return INTEL.get(model)
    return None


def this_processor() -> Processor:
    """The processor of this machine."""
    return identify(CPUINFO.read_text() if CPUINFO.exists() else "")


def instructions(features: dict[str, bool]) -> str:
    """The kind of a CPU: the widest vector instructions of the given features, by LLVM's names."""
    if platform.machine().lower() in {"arm64", "aarch64"}:
        return "NEON"
    if features.get("avx512f"):
        return "AVX-512 with AMX" if features.get("amx-tile") else "AVX-512"
    return "AVX2" if features.get("avx2") else "SSE"


def caches(folder: Path = CACHES) -> dict[str, str]:
    """Sizes of the caches for data that the first core uses, such as ``{"L1": "48 KiB"}``; empty if unknown."""
    sizes = {}
    for index in sorted(folder.glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            kibibytes = int(size.removesuffix("K"))
            is_whole = kibibytes >= 1024 and kibibytes % 1024 == 0
            sizes[f"L{level}"] = f"{kibibytes // 1024} MiB" if is_whole else f"{kibibytes} KiB"
    return sizes
