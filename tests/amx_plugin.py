"""A pytest plugin that emulates AMX's instructions, and reports that Linux permits their use."""

from contextlib import ExitStack

import pytest
from amx_emulator import emulated_tiles

from fastmlp.codegen import amx

_COUNTS = pytest.StashKey()


def pytest_configure(config):
    """Start the emulator before test modules look for bf16 instructions."""
    amx.request_permission = lambda: 0
    stack = ExitStack()
    config.stash[_COUNTS] = stack.enter_context(emulated_tiles())
    config.add_cleanup(stack.close)


def pytest_terminal_summary(terminalreporter, config):
    """Number of executed products and configurations."""
    counts = config.stash[_COUNTS]
    terminalreporter.write_line(f"tdpbf16ps {counts.tdpbf16ps}, ldtilecfg {counts.ldtilecfg}")
