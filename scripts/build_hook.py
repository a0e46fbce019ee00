"""Hatchling's build hook: a wheel that carries compiled kernels, if ``FASTMLP_PRECOMPILE`` is set.

Its value is ``all``, or names of the sets of CPU features in `fastmlp.codegen.precompiled`, separated by commas. The
wheel is for the Python version and the platform that it is built with; its kernels are used with the same versions of
Numba and llvmlite only. Without the variable, the wheel is pure Python.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PrecompileHook(BuildHookInterface):
    """Adds compiled kernels to the wheel."""

    def dependencies(self) -> list[str]:
        """What the build needs: to compile, the package's own dependencies."""
        return list(self.metadata.core.dependencies) if os.environ.get("FASTMLP_PRECOMPILE") else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the kernels, and name what they make of the wheel."""
        sets = os.environ.get("FASTMLP_PRECOMPILE", "")
        if not sets:
            return
        if version == "editable":
            self.app.display_warning("FASTMLP_PRECOMPILE: an editable install carries no kernels")
            return
        self.temporary = TemporaryDirectory()
        names = [name.strip() for name in sets.split(",")] if sets != "all" else []
        command = [sys.executable, Path(self.root, "scripts", "precompile.py"), self.temporary.name, *names]
        done = subprocess.run(command)
        if done.returncode:  # which has printed why
            sys.exit(done.returncode)
        build_data["force_include"][self.temporary.name] = "fastmlp/compiled"
        build_data |= {"pure_python": False, "infer_tag": True}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the compiled kernels, which the wheel contains now."""
        if hasattr(self, "temporary"):
            self.temporary.cleanup()
