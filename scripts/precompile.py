"""Compile all kernels for sets of CPU features, without running any, as a wheel carries them.

The build hook calls it, see scripts/build_hook.py. The files are those of the cache, in a folder with the name of their
stamp. A set is compiled in a process of its own, since the features are constants of the package.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

# In an isolated build, pip drops this folder from the path where fastmlp is also installed as editable.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fastmlp.codegen import cpu
from fastmlp.codegen.precompiled import FeatureSet, feature_sets
from fastmlp.model.compilation import all_kernels, prepare, silent


def compile_set(name: str, feature_set: FeatureSet, folder: Path) -> None:
    """Compile all kernels for a set of features, in a process that no environment variable but its own influences."""
    start, prefixes = perf_counter(), ("NUMBA_", "FASTMLP_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}
    with tempfile.TemporaryDirectory() as cache:
        environment["NUMBA_CACHE_DIR"] = cache
        environment |= {"NUMBA_CPU_NAME": feature_set.cpu_name, "NUMBA_CPU_FEATURES": feature_set.variable}
        subprocess.run([sys.executable, "-W", "error", __file__], env=environment, check=True)
        files = [path for path in Path(cache, "fastmlp").rglob("*") if path.is_file()]
        for path in files:
            target = folder / path.relative_to(cache).relative_to("fastmlp")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        n_bytes = sum(path.stat().st_size for path in files)
    print(f"{name}: {len(files)} files, {n_bytes / 1000:.0f} kB, {perf_counter() - start:.1f} s", flush=True)


def main() -> None:
    sets = feature_sets()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where to write; without it, compile into the cache")
    parser.add_argument("sets", nargs="*", help=f"sets of CPU features, all by default: {', '.join(sets)}")
    given = parser.parse_args()
    if unknown := set(given.sets) - set(sets):
        parser.error(
            f"sets (FASTMLP_PRECOMPILE): expected all, or any of {', '.join(sets)}, got {', '.join(sorted(unknown))}"
        )
    if given.folder is None:
        with silent():
            prepare(all_kernels(bf16=bool(cpu.bf16_instructions())))  # whether or not this machine permits bf16
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda name: compile_set(name, sets[name], given.folder), given.sets or sets))


if __name__ == "__main__":
    main()
