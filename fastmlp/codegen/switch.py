"""A call of one of several kernels, selected by a number at run time."""

from collections.abc import Mapping
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def switch(cases: Mapping[int, Any], default: Any) -> Any:
    """Make an intrinsic ``select(code, arguments)`` that calls the kernel of a code.

    A chain of if and elif, generated, so that a new case needs no new line. Measured as nested functions that Numba
    inlines instead: the first compilation of the kernels takes 2 s longer (of 18).

    Parameters
    ----------
    cases : dict of int to kernel
        Kernels by code. All take the same arguments and return nothing.
    default : kernel
        The one that is called for any other code.

    Returns
    -------
    intrinsic
        To be called in a kernel. `arguments` is a tuple.
    """
    kernels = [default, *cases.values()]

    @intrinsic
    def select(typing_context: Any, code: Any, arguments: Any) -> Any:
        functions = [typing_context.resolve_value_type(kernel) for kernel in kernels]
        signatures = [typing_context.resolve_function_type(function, arguments.types, {}) for function in functions]

        def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            values, end = cgutils.unpack_tuple(builder, args[1]), builder.append_basic_block("end")
            blocks = [builder.append_basic_block() for _ in kernels]
            branches = builder.switch(args[0], blocks[0])
            for number, block in zip(cases, blocks[1:], strict=True):
                branches.add_case(ir.Constant(args[0].type, number), block)
            for block, function, signature in zip(blocks, functions, signatures, strict=True):
                builder.position_at_end(block)
                context.get_function(function, signature)(builder, values)
                builder.branch(end)
            builder.position_at_end(end)
            return context.get_dummy_value()

        return types.void(code, arguments), emit

    return select
