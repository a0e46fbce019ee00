"""The smaller and the larger of two integers, as instructions.

Numba's min and max are functions in Python, which it compiles for each pair of types: 0.3 s of the first compilation.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _chosen(relation: str) -> Any:
    @intrinsic
    def choose(_: Any, a: Any, b: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            return builder.select(builder.icmp_signed(relation, *args), *args)

        return types.int64(types.int64, types.int64), emit

    return choose


#: ``smaller(a, b)`` and ``larger(a, b)``, int64.
smaller, larger = _chosen("<"), _chosen(">")
