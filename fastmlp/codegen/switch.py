"""The call of one of several kernels, selected by a number at run time."""

from collections.abc import Mapping
from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic


def switch(cases: Mapping[int, Any]) -> Any:
    """Make an intrinsic ``select(code, arguments)`` that calls the kernel of a code.

    It stands for a chain of if and elif, which would have to be extended by hand for each new case. As nested functions
    that Numba inlines, the chain made the first compilation of the kernels 2 s longer (of 17).

    Parameters
    ----------
    cases : dict of int to kernel
        Kernels by code. They take the same arguments and return values of one type. The first one is also called for
        any code that is not listed.

    Returns
    -------
    intrinsic
        For use in a kernel; `arguments` is a tuple. It returns what the selected kernel returns.
    """
    kernels = list(dict.fromkeys(cases.values()))

    @intrinsic
    def select(typing_context: Any, code: Any, arguments: Any) -> Any:
        functions = [typing_context.resolve_value_type(kernel) for kernel in kernels]
        signatures = [typing_context.resolve_function_type(function, arguments.types, {}) for function in functions]

        def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            values, end = cgutils.unpack_tuple(builder, args[1]), builder.append_basic_block("end")
            blocks = [builder.append_basic_block("case") for _ in kernels]
            branch, results = builder.switch(args[0], blocks[0]), []
            for number, kernel in cases.items():
                branch.add_case(ir.Constant(args[0].type, number), blocks[kernels.index(kernel)])
            for block, function, signature in zip(blocks, functions, signatures, strict=True):
                builder.position_at_end(block)
                results.append((context.get_function(function, signature)(builder, values), builder.block))
                builder.branch(end)
            builder.position_at_end(end)
            selected = builder.phi(results[0][0].type)
            for result in results:
                selected.add_incoming(*result)
            return selected

        return signatures[0].return_type(code, arguments), emit

    return select
