"""Compare the results of training on Arm, under emulation, with those on this machine, bit for bit.

A few small networks, which between them use every activation, loss, optimizer and schedule, are trained twice: by this
interpreter, and by an AArch64 one under qemu's user-mode emulation. The digests of the weights and of the history must
be equal. Debian's or Ubuntu's arm64 Python is downloaded by apt and the AArch64 wheels of Numba and NumPy by pip, from
the sources that both are configured for, and unpacked in a temporary folder; nothing is installed. The kernels are
compiled under emulation, which takes most of the time: several minutes.

The emulator is qemu's: `apt install qemu-user-static`. On an Arm machine, `--digests` prints the digests alone, to be
compared with those of an x86-64 machine. The exit code is 0 if all digests are equal, 1 if some differ, and 2 if the
comparison could not be made.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import llvmlite
import numba
import numpy as np

import fastmlp
from fastmlp.codegen import cpu
from fastmlp.seeding import uniform
from fastmlp.study.run import digest

ROOT = Path(__file__).resolve().parents[1]
EMULATORS = ("qemu-aarch64-static", "qemu-aarch64")
#: Debian packages that make up the AArch64 interpreter, besides what they depend on.
PACKAGES = ("python3", "libstdc++6")
#: apt with lists, downloads and records of installed packages of its own, and without the host's hooks.
APT_CONFIG = """
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}/log";
"""
#: The networks by name: kind of data, and settings. No size is a multiple of a vector's width.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "pixels, sigmoid, sgd": ("pixels", {"hidden": (37, 21), "schedule": "exponential", "decay_rate": 0.1}),
    "softmax regression": ("classes", {"hidden": (), "schedule": "constant", "l2": 0.01, "batch_size": 1}),
    "tanh, momentum": (
        "classes",
        {"hidden": (19,), "activation": "tanh", "optimizer": "momentum", "learning_rate": 0.05, "schedule": "cosine",
         "warmup_epochs": 1, "label_smoothing": 0.1, "class_weight": "balanced"},
    ),
    "relu, adam, dropout": (
        "classes",
        {"hidden": (33, 18), "activation": "relu", "optimizer": "adam", "learning_rate": 0.01, "dropout": 0.3,
         "clip_norm": 0.5, "schedule": "step", "step_epochs": 1},
    ),
    "gelu, adamw, early stopping": (
        "classes",
        {"hidden": (17, 9), "activation": "gelu", "optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1,
         "schedule": "one_cycle", "early_stopping": "loss", "patience": 1},
    ),
    "elu, nadam, clipping": (
        "numbers",
        {"hidden": (23,), "activation": "elu", "loss": "squared_error", "optimizer": "nadam", "learning_rate": 0.01,
         "clip_norm": 1.0, "schedule": "inverse", "weight_decay": 0.01},
    ),
    "leaky relu, nesterov, huber": (
        "numbers",
        {"hidden": (15, 7), "activation": "leaky_relu", "loss": "huber", "huber_delta": 0.5, "optimizer": "nesterov",
         "learning_rate": 0.05, "schedule": "plateau", "step_epochs": 1, "tol": 0.1, "init": "glorot_uniform_gain"},
    ),
    "silu, rmsprop, multilabel": (
        "labels",
        {"hidden": (26,), "activation": "silu", "loss": "binary_cross_entropy", "optimizer": "rmsprop", "beta2": 0.9,
         "learning_rate": 0.01, "dropout": 0.5, "label_smoothing": 0.2},
    ),
    "softplus, poisson": (
        "counts",
        {"hidden": (11,), "activation": "softplus", "loss": "poisson", "optimizer": "adam", "learning_rate": 0.01,
         "eps_form": "eps_hat", "l2": 0.1, "l2_scale": "batch", "early_stopping": "score"},
    ),
    "subnormal weights": (
        "classes",
        # A feature that is always 0 leaves its weights to L2, which halves them in each of 320 steps.
        {"hidden": (13,), "activation": "identity", "learning_rate": 0.5, "l2": 1.0, "n_epochs": 40},
    ),
    "float64, pixels, tanh": (
        "pixels",
        {"hidden": (29,), "activation": "tanh", "optimizer": "adam", "learning_rate": 0.01, "precision": "float64"},
    ),
    "float64, gelu, dropout": (
        "classes",
        {"hidden": (21, 12), "activation": "gelu", "optimizer": "nesterov", "dropout": 0.2, "clip_norm": 2.0,
         "learning_rate": 0.05, "precision": "float64"},
    ),
    "float64, poisson": (
        "counts",
        {"hidden": (14,), "activation": "elu", "loss": "poisson", "optimizer": "nadam", "learning_rate": 0.01,
         "weight_decay": 0.1, "precision": "float64"},
    ),
    "float64, identity": (
        "numbers",
        {"hidden": (10,), "activation": "identity", "loss": "squared_error", "optimizer": "rmsprop", "beta2": 0.9,
         "learning_rate": 0.01, "precision": "float64"},
    ),
}  # fmt: skip


class UnavailableError(Exception):
    """Something that the comparison needs is missing."""


# digests: computed in the same way by both interpreters


def make_dataset(kind: str) -> fastmlp.Dataset:
    """Samples of one kind, by operations whose results have the same bits everywhere."""
    n_train, n_test, n_features = 331, 101, 307 if kind == "pixels" else 27
    X = uniform(7, 0, (n_train + n_test) * n_features).reshape(-1, n_features).astype(np.float32)
    X[:, -1] = 0.0
    x0, x1, x2 = (X[:, k].astype(np.float64) for k in range(3))
    task, options = "classification", {}
    if kind == "numbers":
        task, y = "regression", np.stack([x0 * x1 - x2, 4.0 * x2 - 2.0 * x0], axis=1)
        options["weight_train"] = 0.5 + x1[:n_train]
    elif kind == "counts":
        task, y = "regression", np.floor(6.0 * x0 * x1)
    elif kind == "labels":
        task, y = "multilabel", (X[:, :3] > 0.5).astype(np.uint8)
    else:
        y = (x0 > 0.5).astype(np.int64) + 2 * (x1 > x2)
    if kind == "pixels":
        X = (X * np.float32(256)).astype(np.uint8)
    return fastmlp.Dataset(X[:n_train], y[:n_train], X[n_train:], y[n_train:], task=task, name=kind, **options)


def train(kind: str, settings: Mapping[str, Any]) -> fastmlp.Run:
    """Train a network on one kind of data."""
    return fastmlp.train(make_dataset(kind), fastmlp.Config(**{"n_epochs": 10, "batch_size": 47, **settings}))


def digests_of(kind: str, settings: Mapping[str, Any]) -> tuple[str, str]:
    """Digests of the weights and of the history, without times, of a network that is trained on one kind of data."""
    result = train(kind, settings)
    history = {name: values for name, values in result.history.to_dict().items() if not name.endswith("_s")}
    return digest(result.model)[:16], hashlib.sha256(json.dumps(history).encode()).hexdigest()[:16]


def print_digests() -> None:
    """Print the versions, then a line for each network with its name, digests and time, as JSON."""
    versions = {"python": platform.python_version(), "numpy": np.__version__, "numba": numba.__version__}
    width = f"{cpu.vector_bits()}-bit vectors"
    print(json.dumps([platform.machine(), width, {**versions, "llvmlite": llvmlite.__version__}]), flush=True)
    for name, (kind, settings) in CASES.items():
        start_s = perf_counter()
        print(json.dumps([name, *digests_of(kind, settings), perf_counter() - start_s]), flush=True)


# the AArch64 interpreter


def run(command: Sequence[object], purpose: str) -> str:
    """Run a command and return what it prints; if it fails, raise with its last lines."""
    words = list(map(str, command))
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise UnavailableError(f"{words[0]}: not found; {purpose} needs it, on Debian or Ubuntu") from None
    except subprocess.CalledProcessError as error:
        last = "\n  ".join((error.stderr or error.stdout).strip().splitlines()[-5:])
        raise UnavailableError(f"{purpose} failed: {' '.join(words[:4])} ... printed\n  {last}") from None
    return done.stdout


def find_emulator() -> str:
    """Path of the emulator."""
    if sys.platform != "linux" or platform.machine() not in {"x86_64", "AMD64"}:
        raise UnavailableError(
            f"this machine: expected Linux on x86-64, got {sys.platform} on {platform.machine()}; on Arm, --digests "
            "prints digests to compare with those of an x86-64 machine"
        )
    paths = [path for name in EMULATORS if (path := shutil.which(name))]
    if not paths:
        raise UnavailableError(f"{EMULATORS[0]}: not found; apt install qemu-user-static, or add its folder to PATH")
    return paths[0]


def build(folder: Path, emulator: str) -> None:
    """Download and unpack the AArch64 interpreter into `folder`/root, and its packages into `folder`/site."""
    apt, root, site = folder / "apt", folder / "root", folder / "site"
    for path in (apt / "state/lists/partial", apt / "cache/archives/partial", apt / "log", root):
        path.mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    (apt / "apt.conf").write_text(APT_CONFIG.format(folder=apt))
    command = ["apt-get", "-q", "-y", "-c", apt / "apt.conf"]
    run([*command, "--error-on=any", "update"], "downloading apt's lists of arm64 packages")
    run(
        [*command, "--no-install-recommends", "--download-only", "install", *PACKAGES],
        "downloading Python for arm64",
    )
    for archive in sorted((apt / "cache/archives").glob("*.deb")):
        run(["dpkg-deb", "-x", archive, root], "unpacking a Debian package")
    loader = root / "lib/ld-linux-aarch64.so.1"
    if not loader.exists():  # where /lib is a link to /usr/lib, which belongs to none of these packages
        loader.parent.mkdir(exist_ok=True)
        loader.symlink_to("../usr/lib/ld-linux-aarch64.so.1")

    version = "import platform, sys; print(*sys.version_info[:2], *platform.libc_ver()[1].split('.'))"
    major, minor, _, libc = run([*emulated(folder, emulator), "-c", version], "starting the emulated Python").split()
    platforms = [word for n in range(int(libc), 16, -1) for word in ("--platform", f"manylinux_2_{n}_aarch64")]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--only-binary=:all:", "--target", site]
    target = ["--python-version", f"{major}.{minor}", *platforms, "--platform", "manylinux2014_aarch64"]
    run([*pip, *target, "numba"], "downloading the AArch64 wheels")  # which depends on llvmlite and NumPy


def emulated(folder: Path, emulator: str) -> list[object]:
    """The command that starts the emulated interpreter, without arguments."""
    return [emulator, "-L", folder / "root", folder / "root/usr/bin/python3"]


def emulated_environment(folder: Path) -> dict[str, str]:
    """Its environment variables. Compiled kernels and bytecode go into `folder`."""
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(ROOT)]),
        "PYTHONNOUSERSITE": "1",
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "NUMBA_CACHE_DIR": str(folder / "kernels"),
    }


def lines_of(command: Sequence[object], environment: Mapping[str, str]) -> Iterator[Any]:
    """The lines that `print_digests` prints in another interpreter, one by one."""
    words = [*map(str, command), str(Path(__file__).resolve()), "--digests"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield from map(json.loads, process.stdout)
    if process.returncode:
        raise UnavailableError(f"{words[0]} ... --digests ended with exit code {process.returncode}")


# the comparison


def compare(native: Iterator[Any], arm: Iterator[Any]) -> bool:
    """Print the digests of both, row by row; whether all are equal."""
    (machine, width, versions), *rows = native
    print(f"{machine}, {width}: {', '.join(map(' '.join, versions.items()))}")
    arm_machine, arm_width, arm_versions = next(arm)
    print(f"{arm_machine}, {arm_width}, emulated: {', '.join(map(' '.join, arm_versions.items()))}\n", flush=True)
    print(f"{'network':<28} {'weights':<16} {'history':<16} {'native':>8} {'emulated':>9}  result")
    n_equal, seconds = 0, [0.0, 0.0]
    for (name, *ref, ref_s), (arm_name, *got, got_s) in zip(rows, arm, strict=True):
        assert name == arm_name
        differ = [what for what, a, b in zip(("weights", "history"), ref, got, strict=True) if a != b]
        n_equal += not differ
        seconds[0] += ref_s
        seconds[1] += got_s
        result = f"{' and '.join(differ)} differ: {' '.join(got)}" if differ else "equal"
        print(f"{name:<28} {' '.join(ref)} {ref_s:>6.1f} s {got_s:>7.1f} s  {result}", flush=True)
    print(f"\n{n_equal} of {len(rows)} equal; {seconds[0]:.0f} s natively, {seconds[1]:.0f} s emulated")
    return n_equal == len(rows)


def check(folder: Path) -> bool:
    """Build the AArch64 interpreter in `folder`, unless it is there, and compare; whether all digests are equal."""
    emulator, start_s = find_emulator(), perf_counter()
    print(run([emulator, "--version"], "starting the emulator").splitlines()[0])
    if not (folder / "complete").exists():
        build(folder, emulator)
        (folder / "complete").touch()
        print(f"built the AArch64 interpreter in {perf_counter() - start_s:.0f} s", flush=True)
    return compare(
        lines_of([sys.executable], {**os.environ, "PYTHONPATH": str(ROOT)}),
        lines_of(emulated(folder, emulator), emulated_environment(folder)),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digests", action="store_true", help="print the digests of this interpreter and stop")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="folder for the AArch64 interpreter, to be used again next time"
    )
    given = parser.parse_args()
    if given.digests:
        print_digests()
        return 0
    try:
        if given.keep is not None:
            given.keep.mkdir(parents=True, exist_ok=True)
            return 0 if check(given.keep.resolve()) else 1
        with tempfile.TemporaryDirectory(prefix="fastmlp-arm-") as name:
            return 0 if check(Path(name)) else 1
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
