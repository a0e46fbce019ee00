"""Print the assembly of the register tiles' inner loops: python scripts/show_assembly.py [float32] [float64]

The machine code of a tile should be, per step of K: one fused multiply-add per vector of the tile, one load per column
of vectors, one broadcast per row (or a broadcast operand of the multiply-add), and no load or store of an accumulator.

``--arm apple-m1`` prints the loops for an AArch64 CPU on any machine, by Numba's and LLVM's own optimisation for it;
its names are LLVM's, such as generic, cortex-a55, neoverse-n1, neoverse-v2 and apple-m1.
"""

import argparse
import os
import platform
import re
import sys
from collections import Counter

import llvmlite.binding as llvm
from numba import types
from numba.core import codegen, config
from numba.core.registry import cpu_target

#: Fused multiply-adds in the AT&T syntax that LLVM prints for x86. The last operand is the destination d; the digits of
#: the name say which of d, the middle operand m and the first operand s are multiplied and added: 132: d s + m,
#: 213: m d + s, 231: m s + d.
MULTIPLY_ADD = re.compile(r"\svfmadd(132|213|231)p[sd]\s+(.*)$")
#: Those of whole vectors on Arm, for Linux (fmla v0.4s, v1.4s, v2.s[0]) and for macOS (fmla.4s v0, v1, v2[0]).
ARM_MULTIPLY_ADD = re.compile(r"\sfmla(?:\s+(v\d+)\.(?:4s|2d)|\.(?:4s|2d)\s+(v\d+)),")
MOVE = re.compile(r"\svmov[ua]p[sd]\s+(.*)$")
ARM_MOVE = re.compile(r"\smov(?:\.16b)?\s+(v\d+)(?:\.16b)?, (v\d+)")
ARM_STORE = re.compile(r"\sst\w+(?:\.\w+)?\s+\{?\s*[vqds]\d")
VECTOR_REGISTER = re.compile(r"%[xyz]mm\d+$")


class ArmCodegen(codegen.AOTCPUCodegen):
    """Numba's code generator, with LLVM's model of an AArch64 CPU and the options that Numba uses on one."""

    def __init__(self, cpu_name):
        self._triple = "arm64-apple-darwin" if cpu_name.startswith("apple") else "aarch64-unknown-linux-gnu"
        super().__init__("arm")
        options = {"opt": config.OPT, "reloc": "default", "codemodel": "jitdefault", "jit": True}
        self._tm = llvm.Target.from_triple(self._triple).create_target_machine(cpu=cpu_name, **options)
        self._data_layout = str(self._tm.target_data)

    def _create_empty_module(self, name):
        module = super()._create_empty_module(name)
        module.triple = self._triple
        return module

    def set_env(self, env_name, env):
        pass  # what Python passes to a call


def compile_for_arm(cpu_name):
    """Let Numba compile for an AArch64 CPU, and fastmlp, which must not be imported yet, find itself on one."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    cpu_target.target_context._internal_codegen = ArmCodegen(cpu_name)
    platform.machine = lambda: "aarch64"
    os.environ["FASTMLP_VECTOR_BITS"] = "128"


def loops(lines):
    """Blocks of lines that end in a jump to their own beginning."""
    label, block = None, []
    for line in lines:
        found = re.match(r"(\.?L\w+):", line)
        if found:
            label, block = found[1], []
        elif not re.match(r"\s+\.", line):
            block.append(line)
            if label and re.search(rf"\s(j\w+|b\.\w+|[ct]bn?z\s.*)\s{re.escape(label)}$", line):
                yield block
                label, block = None, []


def operands(text):
    """Operands of an instruction, memory operands whole."""
    return re.findall(r"(?:[^,(]|\([^)]*\))+", text.replace(" ", ""))


def addend_and_sum(line):
    """Where a fused multiply-add takes its addend from and where it leaves the sum; None for another instruction."""
    if found := ARM_MULTIPLY_ADD.search(line):
        return (found[1] or found[2],) * 2
    if found := MULTIPLY_ADD.search(line):
        first, middle, destination = operands(found[2])
        return {"132": middle, "213": first, "231": destination}[found[1]], destination
    return None


def source_and_target(line):
    """Source and target of a move of a vector, on x86 also from and to memory; None for another instruction."""
    if found := ARM_MOVE.search(line):
        return found[2], found[1]
    found = MOVE.search(line)
    return found and operands(found[1])


def chains_and_stores(block, sums):
    """(number of chains of fused multiply-adds in a loop, number of their sums that it stores).

    sums: places that hold the result of a multiply-add, registers and memory; brought up to date. A chain begins where
    the addend is none of them.
    """
    n_chains = n_stored = 0
    for line in block:
        if (places := addend_and_sum(line)) is not None:
            addend, total = places
            n_chains += addend not in sums
            sums.add(total)
        elif (places := source_and_target(line)) is not None:
            source, target = places
            n_stored += source in sums and "(" in target
            (sums.add if source in sums else sums.discard)(target)
        elif ARM_STORE.search(line):
            n_stored += 1
        elif target := VECTOR_REGISTER.search(line):
            sums.discard(target[0])
    return n_chains, n_stored


def accumulators(block):
    """(number of accumulators of a loop, number of them that are stored in every iteration).

    A loop that is unrolled continues a sum in other registers, and may pass it through moves and memory, so that
    counting destination registers overstates the number. A sum may also be stored in the iteration after its own, so
    the stores are those of a second iteration. Operands that are stored and reloaded are not counted (on Arm they are).
    """
    sums = set()
    n_accumulators, _ = chains_and_stores(block, sums)
    _, n_stored = chains_and_stores(block, sums)
    return n_accumulators, n_stored


def tiles(assembly):
    """(number of accumulators, number that are stored, lines) of every loop that multiplies and adds."""
    blocks = ((*accumulators(block), block) for block in loops(assembly.splitlines()))
    return [tile for tile in blocks if tile[0] > 0]


def show(dtype):
    """Print the loops of both products for a dtype, and return their number."""
    # fastmlp chooses vectors and tiles when it is imported.
    from fastmlp.codegen import cpu
    from fastmlp.kernels.matmul import product_block, product_descent

    n_loops = 0
    for implementation in (product_block, product_descent):
        argument_types, compiled = implementation.argument_types(getattr(types, dtype)), implementation.kernel
        compiled.compile(argument_types)
        for n, n_stored, block in tiles(compiled.inspect_asm(argument_types)):
            n_loops += 1
            print("\n".join(block))
            counts = Counter(line.split()[0] for line in block)
            print("# " + ", ".join(f"{count} {instruction}" for instruction, count in counts.most_common()))
            name, bits = implementation.name, cpu.vector_bits()
            print(f"# {name}: {dtype}, {bits}-bit vectors, {n} accumulators, {n_stored} stored")
            print()
    return n_loops


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dtypes", nargs="*", metavar="DTYPE", help="float32 (default) or float64")
    parser.add_argument("--arm", metavar="CPU", help="LLVM's name of an AArch64 CPU, such as neoverse-n1")
    given = parser.parse_args()
    if unknown := set(given.dtypes) - {"float32", "float64"}:
        parser.error(f"DTYPE: expected float32 or float64, got {', '.join(sorted(unknown))}")
    if given.arm:
        compile_for_arm(given.arm)
    for dtype in given.dtypes or ["float32"]:
        if show(dtype) == 0:
            sys.exit(f"--arm: expected one of LLVM's names of AArch64 CPUs, got {given.arm!r}")


if __name__ == "__main__":
    main()
