"""How kernels are compiled: a called kernel becomes LLVM IR, and an entry point machine code with all that it calls.

Numba optimises every function by itself, with all below it once more, and emits machine code for each, of which Python
calls the entry points alone: of 22 s of the first compilation (Zen 5) LLVM took 12. Here the IR of what an entry point
calls is linked to it unoptimised, then optimised and emitted once: 4 s.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding as llvm
from numba.core import typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager, register_pass


class _KernelLibrary(JITCodeLibrary):
    """A library whose functions are not optimised one by one."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout


class _CalledLibrary(_KernelLibrary):
    """The LLVM IR of a kernel that others call, neither optimised nor emitted."""

    def finalize(self) -> None:
        self._raise_if_finalized()
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.external:
                function.linkage = llvm.Linkage.linkonce_odr
        for variable in self._final_module.global_variables:
            if variable.linkage == llvm.Linkage.common:
                variable.linkage = llvm.Linkage.internal
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        return self._final_module


class _EntryLibrary(_KernelLibrary):
    """The machine code of an entry point and of all kernels that it calls."""

    def finalize(self) -> None:
        self._codegen._check_llvm_bugs()
        self._raise_if_finalized()
        for library in _reachable(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.linkonce_odr:
                function.linkage = llvm.Linkage.internal
        passes, builder = self._codegen._module_pass_manager()
        passes.run(self._final_module, builder)
        self._final_module.verify()
        with signals_deferred():
            self._finalize_final_module()

    def exported_names(self) -> list[str]:
        """Names of the symbols that other modules can refer to."""
        module = self._final_module
        symbols = [*module.functions, *module.global_variables]
        return [s.name for s in symbols if not s.is_declaration and s.linkage != llvm.Linkage.internal]

    def _get_module_for_linking(self) -> Any:
        """A module that defines the exported names and nothing else, which is what the cache of machine code needs."""
        lines = [f'define void @"{name}"() {{ ret void }}' for name in self.exported_names()]
        return llvm.parse_assembly("\n".join(lines))


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Handle SIGINT and SIGTERM at the end of the block.

    LLVM hands over machine code, and takes it from the cache, by callbacks, of which ctypes only prints an exception:
    Ctrl-C ended in a RuntimeError about missing code, in 4 of 24 tries.
    """
    received: list[int] = []
    previous = {}
    if threading.get_ident() == threading.main_thread().ident:  # current_thread() would register a thread of `run_team`
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not None:  # one that Python has not set cannot be set again
                previous[number] = signal.signal(number, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


def _reachable(libraries: list[Any]) -> list[Any]:
    """Libraries and those that they link to, each once."""
    found, left = [], list(libraries)
    while left:
        library = left.pop(0)
        if library not in found:
            found.append(library)
            if isinstance(library, _CalledLibrary):
                left.extend(library._linking_libraries)
    return found


@register_pass(mutates_CFG=True, analysis_only=False)
class _EntryLowering(typed_passes.NativeLowering):
    """Lowering of an entry point that Python calls."""

    _name = "entry_lowering"
    _library_class: type[_KernelLibrary] = _EntryLibrary

    def run_pass(self, state: Any) -> bool:
        state.library = self._library_class(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        state.type_annotation = None
        return bool(super().run_pass(state))


@register_pass(mutates_CFG=True, analysis_only=False)
class _AddressLowering(_EntryLowering):
    """Lowering of an entry point that kernels call by its address: without a wrapper for Python."""

    _name = "address_lowering"

    def run_pass(self, state: Any) -> bool:
        state.flags.no_compile = state.flags.no_cpython_wrapper = True
        return super().run_pass(state)


@register_pass(mutates_CFG=True, analysis_only=False)
class _CalledLowering(_AddressLowering):
    """Lowering of a kernel that others call."""

    _name = "called_lowering"
    _library_class = _CalledLibrary

    def run_pass(self, state: Any) -> bool:
        super().run_pass(state)
        lowered = state["cr"]
        key = object()  # by which callers find it; Numba's own is the function that Python calls
        state.targetctx.insert_user_function(key, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=key)
        return True


class _KernelCompiler(CompilerBase):
    """Numba's pipeline for nopython mode, without the passes for what no kernel contains.

    Those are closures, context managers, literal types, array expressions and overloads that are inlined: with these
    passes a first training would compile for 4.6 s in place of 4.1 (Zen 5).
    """

    lowering: Any

    def define_pipelines(self) -> list[PassManager]:
        passes = PassManager("kernel")
        for step in (
            untyped_passes.TranslateByteCode,
            untyped_passes.FixupArgs,
            untyped_passes.IRProcessing,
            untyped_passes.GenericRewrites,
            untyped_passes.ReconstructSSA,
            typed_passes.NopythonTypeInference,
            typed_passes.PreLowerStripPhis,
            typed_passes.NoPythonSupportedFeatureValidation,
            typed_passes.IRLegalization,
            self.lowering,
            typed_passes.NoPythonBackend,
        ):
            passes.add_pass(step, step._name)
        passes.finalize()
        return [passes]


class EntryCompiler(_KernelCompiler):
    """Compiles an entry point that Python calls."""

    lowering = _EntryLowering


class CalledCompiler(_KernelCompiler):
    """Compiles a kernel that others call, to LLVM IR."""

    lowering = _CalledLowering


class AddressCompiler(_KernelCompiler):
    """Compiles an entry point that kernels call by its address."""

    lowering = _AddressLowering
