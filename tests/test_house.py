"""The floors and the laws, held by reading the sources: the tree in the README is the drawing."""

import ast
import re
from collections import defaultdict
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

import fastmlp
from fastmlp import jit

PACKAGE = Path(fastmlp.__file__).parent
ROOT = PACKAGE.parent

# Kernels without a namesake in reference.py, by pattern, and why they need none.
NO_NAMESAKE = {
    "they name a place or move numbers, and compute next to nothing": {
        "matrix",
        "transposed",
        "block",
        "batch_at",
        "transpose",
        "gather_columns",
        "gather_targets",
        "batch_weight",
        "share_of",
        "slopes_backward",
        "gather_weights",
        "prefetch_*",
        "bias_forward",
        "pixels_pack",
        "samples_pack",
        "neurons_pair",
        "neurons_turn",
        "rows_pair",
        "block_transpose",
        "parts",
        "coefficients_broadcast",
    },
    "they cut into blocks what products, the updates, dropout_masks and add_squares compute": {
        "add_product",
        "update_block",
        "keep_block",
        "*_step",
        "weights_update",
        "kept_update",
        "input_keep",
        "dropout_forward",
        "dropout_fill",
        "squares_of",
        "bias_update",
        "dense_update",
        "input_sweep",
        "rows_split",
        "deltas_split",
        "tile_forward",
        "tile_update",
        "unit_forward",
        "unit_backward",
        "unit_update",
        "unit_sweep",
    },
    "they say what follows what; reference.Network does so for a whole step": {
        "layers_forward",
        "layer_forward",
        "layer_backward",
        "first_sweep",
        "first_keep",
        "losses_forward",
        "loss_forward",
        "loss_backward",
        "add_losses",
        "add_penalty",
        "clipped_update",
        "layers_backward",
        "train_step",
        "train_stretch",
        "predict_stretch",
    },
}
# Where the kernels' namesakes are.
DRAWINGS = "fastmlp.reference", "fastmlp.layer", "fastmlp.formula"
# What prints besides the command line, and why.
MAY_PRINT = {"fastmlp.estimator.loop": "scikit-learn's `verbose`, for which the user asks"}
# What kernels may ask of NumPy: the types of numbers, and functions of one number.
SCALARS = {"int64", "uint64", "uint8", "float32", "float64", "sqrt"}


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: parse(path) for name, path in MODULES.items()}
KERNEL_MODULES = {name: tree for name, tree in TREES.items() if name.startswith("fastmlp.kernels.")}


def read_readme_tree():
    """Paths in the README's tree, and each one's floor: the comment it stands under, from 0 on; -1 above the first."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    drawing = next(block for block in text.split("```") if "\nfastmlp/\n" in block)
    floors, parents, floor = {}, [], -1
    for line in drawing.splitlines():
        found = re.match(r"( *)(#|[\w.-]+/?)", line)
        if found is None:
            continue
        if found[2] == "#":
            floor += 1
            continue
        parents[len(found[1]) // 2 :] = [found[2]]
        floors["".join(parents)] = floor if len(parents) > 1 else -1
    return floors


@pytest.fixture(scope="module")
def drawn():
    return read_readme_tree()


@pytest.fixture(scope="module")
def floors(drawn):
    """Each module's floor; the front door, and what is not drawn, are on the top one."""
    by_module, top = {}, max(drawn.values())
    for name, path in MODULES.items():
        parents = [path, *path.parents]
        places = [
            parent.relative_to(ROOT).as_posix() + "/" * parent.is_dir() for parent in parents[: parents.index(ROOT)]
        ]
        floor = next((drawn[place] for place in places if place in drawn), -1)
        by_module[name] = floor if floor >= 0 else top
    return by_module


def imports(tree):
    """Modules of the package that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "fastmlp")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "fastmlp":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def kernels(tree):
    """Functions that Numba compiles; those that only the compiler runs, its intrinsics, are none."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            words = {word.id for item in node.decorator_list for word in ast.walk(item) if isinstance(word, ast.Name)}
            if "kernel" in words:
                yield node


# the drawing


def test_every_file_in_the_readmes_tree_exists(drawn):
    assert [path for path in drawn if not (ROOT / path).exists()] == []


def test_every_file_of_the_package_stands_in_the_readmes_tree(drawn):
    whole = {path for path in drawn if path.endswith("/")} - {
        "fastmlp/",
        "fastmlp/estimator/",
        "fastmlp/export/",
        "fastmlp/kernels/",
        "fastmlp/study/",
    }
    files = [path.relative_to(ROOT).as_posix() for path in MODULES.values()]
    assert [path for path in files if path not in drawn and not path.startswith(tuple(whole))] == []


def test_the_tree_has_five_floors(drawn):
    assert max(drawn.values()) == 4


# the floors


@pytest.mark.parametrize("name", MODULES)
def test_an_import_only_goes_down(name, floors):
    assert [other for other in imports(TREES[name]) if floors[other] > floors[name]] == []


def test_no_modules_import_each_other():
    graph = {name: set(imports(tree)) - {"fastmlp"} for name, tree in TREES.items() if name != "fastmlp"}
    list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("name", KERNEL_MODULES)
def test_kernels_know_the_foundation_alone(name, floors):
    assert {floors[other] for other in imports(KERNEL_MODULES[name])} <= {0, 1}


def test_no_name_is_on_two_floors(floors):
    """But for the drawings, whose names are the kernels', and the generator that kernels and Python share."""
    places = defaultdict(set)
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                is_drawing = name in {*DRAWINGS, "fastmlp.rounding"}
                places[node.name].add(None if is_drawing else floors[name])
    twice = {name for name, where in places.items() if len(where - {None}) > 1}
    assert twice == {"splitmix64"}


# the laws


def test_the_compilers_decorator_stands_in_one_file():
    decorators = {"jit", "njit", "vectorize", "guvectorize", "cfunc", "stencil"}
    found = set()
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "numba":
                found |= {name} if node.attr in decorators else set()
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numba"):
                found |= {name} if decorators & {alias.name for alias in node.names} else set()
    assert found == {"fastmlp.jit"}


def test_fastmath_and_parallel_are_never_asked_for():
    words = {word.arg for tree in TREES.values() for word in ast.walk(tree) if isinstance(word, ast.keyword)}
    assert words.isdisjoint({"fastmath", "parallel"})


def is_scalar(call):
    """Whether a call's function is one of NumPy's for single numbers."""
    return isinstance(call.value, ast.Name) and call.value.id == "np" and call.attr in SCALARS


@pytest.mark.parametrize("name", KERNEL_MODULES)
def test_kernels_allocate_nothing(name):
    """They make no array, list or text and call no method: what is left are numbers, tuples, kernels and intrinsics."""
    made = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp | ast.GeneratorExp | ast.JoinedStr
    nodes = [node for function in kernels(KERNEL_MODULES[name]) for node in ast.walk(function)]
    calls = [node.func for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    found = [ast.unparse(call) for call in calls if not is_scalar(call)]
    assert found + [ast.unparse(node) for node in nodes if isinstance(node, made)] == []


def test_every_kernel_that_computes_has_a_slow_namesake():
    names = {function.name for tree in KERNEL_MODULES.values() for function in kernels(tree)}
    drawings = [node for name in DRAWINGS for node in TREES[name].body]
    reference = {node.name for node in drawings if isinstance(node, ast.FunctionDef)}
    shared = {"splitmix64"}  # whose namesake is in seeding.py, where Python draws from it too
    alone, patterns = names - reference - shared, set().union(*NO_NAMESAKE.values())
    assert [name for name in alone if not any(fnmatch(name, pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in alone)] == []


def test_the_stamp_of_kept_kernels_covers_every_file_that_they_are_made_of():
    reached, coming = set(), set(KERNEL_MODULES)
    while coming:
        reached |= coming
        coming = {other for name in coming for other in imports(TREES[name])} - reached
    files = {MODULES[name] for name in reached - {"fastmlp", "fastmlp.errors"}}  # an error compiles to nothing
    assert files <= set(jit.sources())


def test_only_the_command_line_prints():
    words = {(name, node.id) for name, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found = {name for name, word in words if word == "print" and not name.startswith("fastmlp.cli")}
    assert found == set(MAY_PRINT)


def test_the_core_needs_numpy_and_numba_only():
    """But for the estimators, which derive from scikit-learn's classes: the front door imports them when asked."""
    extras = {"matplotlib", "rich", "cyclopts", "pooch", "sklearn", "scipy", "dask", "distributed", "joblib", "pandas"}
    extras |= {"onnx", "safetensors", "torch"}
    eager = set()
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                words = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                eager |= {(name, word) for word in words if word.partition(".")[0] in extras}
                eager |= {(name, word) for word in words if word.startswith("fastmlp.estimator")}
    assert {name for name, _ in eager if not name.startswith("fastmlp.estimator")} == set()


# the measure


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_longer_than_350_lines(name):
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= 350


def lengths():
    """Lines of every function, its docstring not counted."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                said = node.body[0] if ast.get_docstring(node) else None
                docstring = said.end_lineno - said.lineno + 1 if said else 0
                yield f"{name}.{node.name}", node.end_lineno - node.lineno + 1 - docstring


def test_functions_are_short():
    assert {name: lines for name, lines in lengths() if lines > 60} == {}
    assert median(lines for _, lines in lengths()) <= 10


def test_the_readmes_commands_stand_one_below_the_other():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    wanted = ['pip install -e ".[all]" && fastmlp train', 'pip install -e ".[test]" && pytest']
    assert any([first, second] == wanted for first, second in pairwise(lines))
