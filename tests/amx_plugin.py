"""A pytest plugin: what the tests run of AMX is carried out in software, as though Linux had permitted its use."""

from contextlib import ExitStack

import pytest
from amx_emulator import emulated_tiles

from fastmlp.codegen import amx

_COUNTS = pytest.StashKey()


def pytest_configure(config):
    """Before any test module asks whether there are bf16 instructions."""
    amx.request_permission = lambda: 0
    stack = ExitStack()
    config.stash[_COUNTS] = stack.enter_context(emulated_tiles())
    config.add_cleanup(stack.close)


def pytest_terminal_summary(terminalreporter, config):
    """How many of the instructions that matter were carried out."""
    counts = config.stash[_COUNTS]
    terminalreporter.write_line(f"tdpbf16ps {counts.tdpbf16ps}, ldtilecfg {counts.ldtilecfg}")
