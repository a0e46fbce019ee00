"""Print the assembly of the register tiles' inner loops: python scripts/show_assembly.py [float32] [float64]

The machine code of a tile should be, per step of K: one fused multiply-add per vector of the tile, one load per column
of vectors, one broadcast per row (or a broadcast operand of the multiply-add), and no load or store of an accumulator.
"""

import re
import sys
from collections import Counter

import numpy as np

from fastmlp.codegen import cpu
from fastmlp.codegen.jit import kernel
from fastmlp.kernels.matmul import matrix, product, product_descent

#: Fused multiply-adds in the AT&T syntax that LLVM prints for x86, and on Arm. x86's last operand is the destination
#: d; the digits of the name say which of d, the middle operand m and the first operand s are multiplied and added:
#: 132: d s + m, 213: m d + s, 231: m s + d.
MULTIPLY_ADD = re.compile(r"\s(?:vfmadd(132|213|231)p[sd]|(fmla))\s+(.*)$")
MOVE = re.compile(r"\svmov[ua]p[sd]\s+(.*)$")
VECTOR_REGISTER = re.compile(r"%[xyz]mm\d+$")


@kernel
def multiply(C, A, B):
    """Both products. They are not cached on disk: machine code from there has no assembly to show."""
    c, a, b = matrix(C, 0, C.shape[1]), matrix(A, 0, A.shape[1]), matrix(B, 0, B.shape[1])
    product(c, c, a, b, C.shape[0], C.shape[1], A.shape[1])
    product_descent(c, a, b, C[0, 0], C[0, 0], C.shape[0], C.shape[1], A.shape[1])


def loops(lines):
    """Blocks of lines that end in a jump to their own beginning."""
    label, block = None, []
    for line in lines:
        found = re.match(r"(\.?L\w+):", line)
        if found:
            label, block = found[1], []
        elif not re.match(r"\s+\.", line):
            block.append(line)
            if label and re.search(rf"\s(j\w+|b\.\w+)\s+{re.escape(label)}$", line):
                yield block
                label, block = None, []


def operands(text):
    """Operands of an instruction, memory operands whole."""
    return re.findall(r"(?:[^,(]|\([^)]*\))+", text.replace(" ", ""))


def addend_and_sum(line):
    """Where a fused multiply-add takes its addend from and where it leaves the sum; None for another instruction."""
    found = MULTIPLY_ADD.search(line)
    if found is None:
        return None
    if found[2]:
        return (operands(found[3])[0],) * 2
    first, middle, destination = operands(found[3])
    return {"132": middle, "213": first, "231": destination}[found[1]], destination


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
        elif (found := MOVE.search(line)) is not None:
            source, target = operands(found[1])
            n_stored += source in sums and not VECTOR_REGISTER.match(target)
            (sums.add if source in sums else sums.discard)(target)
        elif re.search(r"\sst[rp]\s+q", line):
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


def tiles(compiled, dtype):
    """(number of accumulators, number that are stored, lines) of every loop that multiplies and adds.

    compiled: a product of matrices; dtype: name of theirs.
    """
    (text,) = (text for types, text in compiled.inspect_asm().items() if dtype in str(types))
    blocks = ((*accumulators(block), block) for block in loops(text.splitlines()))
    return [tile for tile in blocks if tile[0] > 0]


def show(dtype):
    """Print the loops of both products for a dtype."""
    multiply(*np.zeros((3, 64, 64), dtype))
    for name, compiled in (("product", product), ("product_descent", product_descent)):
        for n, n_stored, block in tiles(compiled, dtype):
            print("\n".join(block))
            counts = Counter(line.split()[0] for line in block)
            print("# " + ", ".join(f"{count} {instruction}" for instruction, count in counts.most_common()))
            print(f"# {name}: {dtype}, {cpu.vector_bits()}-bit vectors, {n} accumulators, {n_stored} stored")


if __name__ == "__main__":
    for name in sys.argv[1:] or ["float32"]:
        show(name)
