"""The rules of the architecture, checked by reading the sources."""

import ast
import subprocess
import sys
from collections import defaultdict
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

import fastmlp
from fastmlp.codegen import cache

PACKAGE = Path(fastmlp.__file__).parent
ROOT = PACKAGE.parent

#: Directories and modules of the package, lowest first: an import only goes down this list.
LAYERS = (
    "version", "errors", "seeding", "io", "codegen", "parallel", "notebook", "settings", "config", "metrics", "table",
    "data", "reference", "kernels", "model", "training", "plot", "export", "estimator", "study", "paper", "cli",
    "__init__", "__main__",
)  # fmt: skip
#: Imports inside of functions, which are carried out when they are called: what is imported only on demand, by whom.
ON_DEMAND = {
    "fastmlp": {"fastmlp.estimator"},
    "fastmlp.__main__": {"fastmlp.cli"},
    "fastmlp.cli.machine": {"fastmlp.codegen.cache", "fastmlp.model.compilation"},
    "fastmlp.cli.training": {"fastmlp.table.cell", "fastmlp.table.encoder", "fastmlp.table.frame"},
    "fastmlp.data.load": {"fastmlp.data.table", "fastmlp.table.source"},
    "fastmlp.estimator.base": {"fastmlp.estimator.lbfgs"},
    "fastmlp.estimator.loop": {"fastmlp.training.trainer"},
    "fastmlp.model.model": {
        "fastmlp.export.onnx", "fastmlp.export.to_sklearn", "fastmlp.export.torch", "fastmlp.model.predictor",
    },
    "fastmlp.model.raw_row": {"fastmlp.table.encoder", "fastmlp.table.frame"},
    "fastmlp.study.worker": {"fastmlp.model.compilation"},
    "fastmlp.training.loop": {"fastmlp.plot", "fastmlp.training.trainer"},
    "fastmlp.training.range_test": {"fastmlp.plot"},
    "fastmlp.training.warmup": {"fastmlp.model.compilation"},
}  # fmt: skip

# Kernels without a reference implementation of the same name, by pattern, and why they need none.
NO_REFERENCE = {
    "they select or move numbers and compute next to nothing": {
        "matrix",
        "transposed",
        "block",
        "batch_at",
        "transpose",
        "gather_targets",
        "batch_weight",
        "weight_fraction",
        "derivatives_backward",
        "gather_weights",
        "prefetch_*",
        "bias_forward",
        "pixels_pack",
        "samples_pack",
        "rows_panel_pack",
        "columns_panel_pack",
        "rows_pair",
        "block_transpose",
        "column_partition",
        "panel_width",
        "sample_scale",
        "layer_row",
        "pointers",
        "bits_differ",
        "coefficients_broadcast",
        "samples_as_rows",
        "share",
        "share_of_columns",
        "share_of_rows",
        "share_of_weights",
        "has_row_per_feature",
        "has_own_kernel",
        "values_scale",
        "non_zeros",
        "batch_values",
        "features_count",
        "every_start",
        "touched_starts",
        "whole_lines",
        "barrier_wait",
    },
    "they apply, block by block, what product, the updates, dropout_masks and add_squares compute": {
        "column_squares",
        "gradient_scale",
        "product_block",
        "product_descent",
        "gradient_store",
        "cross_entropy_*",
        "weights_update",
        "stored_gradient_update",
        "input_gradient",
        "dropout_forward",
        "dropout_fill",
        "sum_of_squares",
        "bias_update",
        "dense_update",
        "fused_update_forward",
        "rows_split",
        "deltas_split",
        "bf16_block_forward",
        "bf16_block_update",
        "bf16_forward",
        "bf16_backward",
        "bf16_update",
        "bf16_fused_update_forward",
        "row_squares",
        "squares_add",
        "sparse_forward",
        "feature_gradient",
        "touched_update",
        "every_update",
        "sparse_update",
        "sparse_update_forward",
        "sparse_predict",
    },
    "they call others in order; reference.network.Network does so for a whole step": {
        "layers_forward",
        "layer_forward",
        "layer_backward",
        "layer_update",
        "layers_update",
        "first_layer_update_forward",
        "first_layer_gradient",
        "losses_forward",
        "loss_forward",
        "loss_backward",
        "add_losses",
        "add_penalty",
        "clipped_update",
        "layers_backward",
        "train_step",
        "train_chunk",
        "predict_chunk",
        "first_layer_predict",
        "layer_predict",
        "outputs_predict",
    },
}
#: Modules that print besides the command line, and why.
MAY_PRINT = {"fastmlp.estimator.loop": "scikit-learn's `verbose`, which the user asks for"}
#: What kernels may use of NumPy: scalar types, and functions of one number.
SCALARS = {"int64", "uint64", "uint8", "float32", "float64", "sqrt"}
#: Lines of code of a module and of a function, docstrings not counted, and arguments of a kernel.
MAX_MODULE_LINES, MAX_FUNCTION_LINES, MAX_KERNEL_ARGUMENTS = 300, 60, 8
#: Modules without a test module of the same name, and the test module that covers each.
TESTED_ELSEWHERE = {
    "__main__": "cli/test_app.py",
    "settings": "test_config.py",
    "version": "cli/test_app.py",
    "codegen/amx": "training/test_precision.py",
    "study/provenance": "study/test_metadata.py",
    "study/registry": "study/test_scheduler.py",
}


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: parse(path) for name, path in MODULES.items()}
KERNEL_MODULES = {name: tree for name, tree in TREES.items() if name.startswith("fastmlp.kernels.")}
REFERENCE_MODULES = {name: tree for name, tree in TREES.items() if name.startswith("fastmlp.reference.")}


def layer(name):
    """A module's place in LAYERS."""
    return LAYERS.index(name.split(".")[1] if "." in name else "__init__")


def imported(node):
    """Modules of the package that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "fastmlp")
    elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "fastmlp":
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner in MODULES else node.module


def imports(tree):
    """Modules of the package that a module imports when it is imported."""
    for statement in tree.body:
        if not (isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"):
            yield from (name for node in outside_functions(statement) for name in imported(node))


def outside_functions(node):
    """A node and what it contains, but for functions."""
    if not isinstance(node, ast.FunctionDef):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from outside_functions(child)


def on_demand(tree):
    """Modules of the package that a module's functions import."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {name for function in functions for node in ast.walk(function) for name in imported(node)}


def kernels(tree):
    """Functions at the top of a module that Numba compiles; intrinsics, which only the compiler runs, are none."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            words = {ast.unparse(item).partition("(")[0] for item in node.decorator_list}
            if any(word == "kernel" or word.endswith(".implementation") for word in words):
                yield node


# layers


def test_every_directory_and_module_has_its_layer():
    found = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir() if path.name != "py.typed"}
    assert found - {"__pycache__"} == set(LAYERS)


@pytest.mark.parametrize("name", MODULES)
def test_an_import_only_goes_down(name):
    assert [other for other in imports(TREES[name]) if layer(other) > layer(name)] == []


def test_what_is_imported_on_demand_is_listed():
    assert {name: found for name, tree in TREES.items() if (found := on_demand(tree))} == ON_DEMAND


def test_no_modules_import_each_other():
    graph = {name: set(imports(tree)) for name, tree in TREES.items()}
    list(TopologicalSorter(graph).static_order())


def test_no_module_is_hidden_by_an_attribute_of_its_name():
    for name in MODULES:
        parent, _, child = name.rpartition(".")
        if parent:
            module = __import__(parent, fromlist=["_"])
            assert getattr(module, child, None) in (None, __import__(name, fromlist=["_"])), name


def test_the_root_holds_at_most_ten_modules():
    assert len(list(PACKAGE.glob("*.py"))) <= 10


def test_reference_implementations_import_no_kernel():
    assert {other for tree in REFERENCE_MODULES.values() for other in imports(tree) if "kernels" in other} == set()


def test_reference_implementations_load_no_kernel_and_no_compiler():
    """With an empty top-level package, since the real one imports everything."""
    program = f"""
import sys, types
package = types.ModuleType("fastmlp")
package.__path__ = [{str(PACKAGE)!r}]
sys.modules["fastmlp"] = package
import fastmlp.reference.network
print([name for name in sys.modules if name == "numba" or name.startswith("fastmlp.kernels")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"


def test_no_class_or_function_has_the_name_of_another_in_another_layer():
    """But for reference implementations, the generator that kernels and Python draw from, and the entry points main."""
    layers = defaultdict(set)
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                layers[node.name].add("reference" if name in REFERENCE_MODULES else layer(name))
    assert {name for name, where in layers.items() if len(where - {"reference"}) > 1} == {"main", "splitmix64"}


def test_no_two_classes_have_one_name():
    places = defaultdict(list)
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


# kernels


def test_functions_are_compiled_with_the_options_of_one_file():
    """No decorator of Numba is used, and its dispatcher where `fastmlp.codegen.jit.OPTIONS` are passed to it."""
    decorators, dispatchers = {"jit", "njit", "vectorize", "guvectorize", "cfunc", "stencil"}, set()
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "numba":
                assert node.attr not in decorators, name
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numba"):
                names = {alias.name for alias in node.names}
                assert decorators.isdisjoint(names), name
                dispatchers |= {name} if "CPUDispatcher" in names else set()
    assert dispatchers == {"fastmlp.codegen.jit", "fastmlp.codegen.indirect"}


def test_fastmath_and_parallel_are_not_used():
    words = {word.arg for tree in TREES.values() for word in ast.walk(tree) if isinstance(word, ast.keyword)}
    assert words.isdisjoint({"fastmath", "parallel"})


@pytest.mark.parametrize("name", KERNEL_MODULES)
def test_kernels_have_few_arguments(name):
    counts = {function.name: len(function.args.args) for function in kernels(KERNEL_MODULES[name])}
    assert {function: n for function, n in counts.items() if n > MAX_KERNEL_ARGUMENTS} == {}


def is_scalar(call):
    """Whether a call's function is one of NumPy's for single numbers."""
    return isinstance(call.value, ast.Name) and call.value.id == "np" and call.attr in SCALARS


@pytest.mark.parametrize("name", KERNEL_MODULES)
def test_kernels_allocate_nothing(name):
    """They make no array, list or string and call no method: what is left are numbers, tuples, kernels, intrinsics."""
    made = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp | ast.GeneratorExp | ast.JoinedStr
    nodes = [node for function in kernels(KERNEL_MODULES[name]) for node in ast.walk(function)]
    calls = [node.func for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    found = [ast.unparse(call) for call in calls if not is_scalar(call)]
    assert found + [ast.unparse(node) for node in nodes if isinstance(node, made)] == []


def test_every_kernel_that_computes_has_a_reference_implementation():
    names = {function.name for tree in KERNEL_MODULES.values() for function in kernels(tree)}
    functions = [node for tree in REFERENCE_MODULES.values() for node in tree.body]
    reference = {node.name for node in functions if isinstance(node, ast.FunctionDef)}
    shared = {"splitmix64"}  # whose reference is in seeding.py, where Python draws from it too
    alone, patterns = names - reference - shared, set().union(*NO_REFERENCE.values())
    assert [name for name in alone if not any(fnmatch(name, pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in alone)] == []


def test_the_stamp_of_cached_kernels_covers_every_file_that_is_compiled_into_them():
    reached, added = set(), set(KERNEL_MODULES)
    while added:
        reached |= added
        added = {other for name in added for other in imports(TREES[name])} - reached
    compiled = {name for name in reached if not name.startswith(("fastmlp.errors", "fastmlp.io"))}
    assert {MODULES[name] for name in compiled} <= set(cache.sources())


# the rest of the package


def test_only_the_command_line_prints():
    words = {(name, node.id) for name, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found = {name for name, word in words if word == "print" and not name.startswith("fastmlp.cli")}
    assert found == set(MAY_PRINT)


def test_the_core_needs_numpy_and_numba_only():
    """But for the estimators, which derive from scikit-learn's classes and are imported on demand."""
    extras = {"matplotlib", "rich", "cyclopts", "pooch", "sklearn", "scipy", "dask", "distributed", "joblib", "pandas"}
    extras |= {"IPython", "ipywidgets", "onnx", "safetensors", "torch", "tqdm"}
    eager = set()
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                words = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                eager |= {(name, word) for word in words if word.partition(".")[0] in extras}
    assert {name for name, _ in eager if not name.startswith("fastmlp.estimator")} == set()


def test_numba_is_imported_by_kernels_and_by_what_is_imported_on_demand():
    """Directly or not; `tests/test_imports.py` runs what must not import it."""
    uses = {name for name, tree in TREES.items() if {"numba", "llvmlite"} & {*top_level_packages(tree)}}
    added = uses
    while added:
        added = {name for name, tree in TREES.items() if added & set(imports(tree))} - uses
        uses |= added
    others = {name for name in uses if not name.startswith(("fastmlp.codegen.", "fastmlp.kernels."))}
    models = {"fastmlp.model.compilation", "fastmlp.model.predictor", "fastmlp.model.workspace"}
    assert others == models | {"fastmlp.estimator.lbfgs", "fastmlp.training.objective", "fastmlp.training.trainer"}


def top_level_packages(tree):
    """Packages that a module imports when it is imported."""
    for statement in tree.body:
        for node in outside_functions(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                words = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                yield from (word.partition(".")[0] for word in words)


def docstring_lines(node):
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    nodes = [part for part in ast.walk(node) if isinstance(part, documented) and ast.get_docstring(part) is not None]
    return sum(part.body[0].end_lineno - part.body[0].lineno + 1 for part in nodes)


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_too_long(name):
    n_lines = len(MODULES[name].read_text(encoding="utf-8").splitlines())
    assert n_lines - docstring_lines(TREES[name]) <= MAX_MODULE_LINES


def lengths():
    """Lines of code of every function."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                yield f"{name}.{node.name}", node.end_lineno - node.lineno + 1 - docstring_lines(node)


def test_functions_are_short():
    assert {name: lines for name, lines in lengths() if lines > MAX_FUNCTION_LINES} == {}
    assert median(lines for _, lines in lengths()) <= 10


# tests and README


def test_every_module_has_its_test_module():
    tests = ROOT / "tests"
    names = [
        path.relative_to(PACKAGE).with_suffix("").as_posix() for path in MODULES.values() if path.stem != "__init__"
    ]
    mirrored = {name for name in names if (tests / name).with_name(f"test_{Path(name).name}.py").exists()}
    assert set(names) - mirrored == set(TESTED_ELSEWHERE)
    assert [path for path in TESTED_ELSEWHERE.values() if not (tests / path).exists()] == []


def test_contributing_shows_every_directory():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = next(block for block in text.split("```") if "\nfastmlp/\n" in block)
    shown = {word.rstrip("/") for line in tree.splitlines() for word in line.split()[:1]}
    directories = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert directories - shown == set()


def test_the_readmes_commands_follow_each_other():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = ['pip install -e ".[all]" && fastmlp train', 'pip install -e ".[test]" && pytest -n auto']
    assert any([first, second] == commands for first, second in pairwise(lines))
