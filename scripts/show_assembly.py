"""Print the assembly of the register tiles' inner loops: python scripts/show_assembly.py [float32|float64]

What the machine code should look like: a fused multiply-add for every vector of the tile, a load for each of its
columns, a broadcast for each of its rows (or one inside the multiply-add), no load or store of an accumulator.
"""

import re
import sys
from collections import Counter

import numpy as np

from fastmlp.codegen import cpu
from fastmlp.codegen.jit import kernel
from fastmlp.kernels.matmul import matrix, product, product_descent

# Where the sum is: the last operand in the AT&T spelling that LLVM gives for x86, the first one on Arm.
ACCUMULATOR = re.compile(r"\s(?:vfn?madd\w+\s.*%(\w+)$|fmla\s+(v\w+))")


@kernel
def multiply(C, P, Q):
    """Both products. They are not kept on disk: machine code that comes from there has no assembly to show."""
    sums = matrix(C, 0, C.shape[1])
    rows, columns = matrix(P, 0, P.shape[1]), matrix(Q, 0, Q.shape[1])
    product(sums, sums, rows, columns, C.shape[0], C.shape[1], P.shape[1])
    product_descent(sums, rows, columns, C[0, 0], C[0, 0], C.shape[0], C.shape[1], P.shape[1])


def assembly(compiled):
    """Lines of a compiled kernel."""
    (text,) = compiled.inspect_asm().values()
    return text.splitlines()


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


def n_accumulators(block):
    return len({found.group(1, 2) for found in map(ACCUMULATOR.search, block) if found})


def main():
    dtype = sys.argv[1] if len(sys.argv) > 1 else "float32"
    multiply(*np.zeros((3, 64, 64), dtype))
    for name, compiled in (("product", product), ("product_descent", product_descent)):
        tiles = list(loops(assembly(compiled)))
        most = max(map(n_accumulators, tiles))
        for tile in tiles:
            if n_accumulators(tile) == most:
                print("\n".join(tile))
                counts = Counter(line.split()[0] for line in tile)
                print(f"# {name}: {dtype}, {cpu.vector_bits()}-bit vectors, {most} accumulators")
                print("# " + ", ".join(f"{n} {instruction}" for instruction, n in counts.most_common()))


if __name__ == "__main__":
    main()
