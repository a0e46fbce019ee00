import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import pytest

from fastmlp.codegen import cache, jit, precompiled

PACKAGE = Path(cache.__file__).parents[1]


def make_entry():
    @jit.kernel(cache=True)
    def entry(x):
        return x + x

    return entry


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch, tmp_path):
    """Each test has its own fallback folder for cached kernels."""
    monkeypatch.setattr(cache, "temporary_cache_dir", lambda: tmp_path / "temporary")


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return cache.cache_dir()


# files


def test_a_cached_kernel_is_loaded_by_another_dispatcher(folder):
    first, second = make_entry(), make_entry()
    assert not jit.is_cached(first, (1.0,))
    assert first(1.0) == 2.0
    assert jit.is_cached(first, (1.0,))
    assert jit.is_cached(second, (1.0,))
    assert second(2.0) == 4.0
    assert sum(second.stats.cache_hits.values()) == 1


def test_each_set_of_argument_types_has_its_own_file(folder):
    entry = make_entry()
    entry(1.0)
    assert not jit.is_cached(make_entry(), (1,))
    entry(1)
    assert len(list(folder.iterdir())) == 2


def test_no_temporary_file_is_left(folder):
    make_entry()(1.0)
    assert [path.suffix for path in folder.iterdir()] == [".pickle"]


@pytest.mark.parametrize("damage", [lambda raw: b"", lambda raw: raw[:100], lambda raw: b"x" + raw[1:]])
def test_a_damaged_file_is_ignored_and_replaced(damage, folder):
    make_entry()(1.0)
    (path,) = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert make_entry()(3.0) == 6.0
    third = make_entry()
    third(1.0)
    assert sum(third.stats.cache_hits.values()) == 1


def test_a_folder_that_cannot_be_written_to_causes_one_warning_and_the_result_is_right(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    entry = make_entry()
    message = (
        r"cannot be cached in .*file.*; they are cached in .*temporary.* To use another folder, set NUMBA_CACHE_DIR"
    )
    with pytest.warns(UserWarning, match=message):
        assert entry(1.0) == 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert entry(2.0) == 4.0


def test_an_import_creates_no_folder(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", "import fastmlp"], env=environment, check=True)
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other variables")
def test_the_default_folder_is_in_the_users_cache_directory(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_dir().parent == tmp_path / "fastmlp"


# the stamp


@pytest.fixture
def copied(monkeypatch, tmp_path):
    cache.stamp()  # its cached result is the stamp of the original package
    shutil.copytree(PACKAGE, tmp_path / "fastmlp", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(cache, "_PACKAGE", tmp_path / "fastmlp")
    return tmp_path / "fastmlp"


def test_a_copy_has_the_same_stamp(copied):
    assert cache.stamp.__wrapped__() == cache.stamp()


@pytest.mark.parametrize("name", [path.relative_to(PACKAGE).as_posix() for path in cache.sources()])
def test_an_edit_of_any_source_changes_the_stamp(name, copied):
    with (copied / name).open("a") as file:
        file.write("#")
    assert cache.stamp.__wrapped__() != cache.stamp()


def test_a_new_kernel_file_changes_the_stamp(copied):
    (copied / "kernels" / "novel.py").touch()
    assert cache.stamp.__wrapped__() != cache.stamp()


def test_another_vector_width_changes_the_stamp(monkeypatch):
    before = cache.stamp()
    monkeypatch.setattr(cache.cpu, "vector_bits", lambda: 64)
    assert cache.stamp.__wrapped__() != before


def test_bounds_checking_changes_the_stamp(monkeypatch):
    before = cache.stamp()
    monkeypatch.setattr(cache.config, "BOUNDSCHECK", not cache.config.BOUNDSCHECK)
    assert cache.stamp.__wrapped__() != before


def test_a_cached_kernel_is_not_used_after_an_edit_of_one_that_it_calls(copied, tmp_path):
    inner, outer = copied / "kernels" / "inner.py", copied / "kernels" / "outer.py"
    head = "from fastmlp.codegen.jit import kernel\n"
    outer.write_text(
        head + "from fastmlp.kernels.inner import f\n@kernel(cache=True)\ndef entry(x):\n    return f(x)\n"
    )
    code = "from fastmlp.kernels.outer import entry; print(entry(1), sum(entry.stats.cache_hits.values()))"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    outputs = []
    for factor in (2, 2, 3):
        inner.write_text(f"{head}@kernel\ndef f(x):\n    return {factor} * x\n")
        command = [sys.executable, "-B", "-c", code]
        run = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        outputs.append(run.stdout)
    assert outputs == ["2 0\n", "2 1\n", "3 0\n"]


# files of other kernels, CPUs and versions


def path_of(entry, types):
    """Where the cache has the machine code of an entry point for arguments of these types."""
    return entry._cache.entry(types, entry.targetctx).paths()[0]


def load(entry, types):
    """Load the machine code of an entry point for arguments of these types; None if there is none."""
    return entry._cache.load_overload(types, entry.targetctx)


@pytest.fixture
def cached(folder):
    """An entry point that was compiled and cached, its argument types and its file."""
    entry = make_entry()
    entry(1.0)
    (path,) = folder.iterdir()
    return entry, next(iter(entry.overloads)), path


def test_a_cached_kernel_is_loaded(cached):
    entry, types, _ = cached
    assert load(entry, types) is not None


def test_a_kernel_of_another_cpu_is_not_used(cached, monkeypatch):
    entry, types, path = cached
    triple, _, features = entry.targetctx.codegen().magic_tuple()
    for other in ((triple, "pentium", features), (triple, "", features + ",+new"), ("aarch64-linux", "", features)):
        monkeypatch.setattr(type(entry.targetctx.codegen()), "magic_tuple", lambda self, other=other: other)
        assert not path_of(entry, types).exists()
        assert load(entry, types) is None
        path.rename(path := path_of(entry, types))
        assert load(entry, types) is None, "a file that was renamed to its path"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("numba.__version__", "0.0"),
        ("llvmlite.__version__", "0.0"),
        ("EXTENSION_SUFFIXES", [".cpython-27.so"]),
        ("cpu.vector_bits", lambda: 64),
        ("config.OPT", "0"),
    ],
)
def test_a_kernel_of_another_version_or_vector_width_is_not_used(attribute, value, cached, monkeypatch):
    entry, types, path = cached
    monkeypatch.setattr(f"fastmlp.codegen.cache.{attribute}", value)
    monkeypatch.setattr(cache, "stamp", cache.stamp.__wrapped__)
    other = path_of(entry, types)
    assert other.parent != path.parent
    assert load(entry, types) is None
    other.parent.mkdir(parents=True)
    shutil.copy(path, other.parent / other.name)
    assert load(entry, types) is None, "a file that was copied to its path"


def test_a_file_that_was_renamed_to_another_kernels_path_is_not_used(cached):
    _, _, path = cached

    @jit.kernel(cache=True)
    def other(x):
        return x * x

    path.rename(path_of(other, (numba.float64,)))
    assert other(3.0) == 9.0


# kernels that the package carries

CODE = """
import numba
from fastmlp.codegen import jit
@jit.kernel
def entry(x):
    return x + x
entry._cache = jit._DispatcherCache("carried")
entry.compile((numba.float64,))
"""
FLOAT = (numba.float64,)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder with `entry`, compiled in another process for the set of CPU features that this host uses."""
    key = precompiled.matching_key(jit.kernel(lambda: None).targetctx.codegen().magic_tuple())
    if key is None:
        pytest.skip("no set of CPU features is for this host")
    folder = tmp_path_factory.mktemp("compiled")
    variables = {"NUMBA_CACHE_DIR": str(folder), "NUMBA_CPU_NAME": key[1], "NUMBA_CPU_FEATURES": key[2]}
    subprocess.run([sys.executable, "-c", CODE], env={**os.environ, **variables}, check=True)
    return folder / "fastmlp"


@pytest.fixture
def carried(compiled, folder, monkeypatch, tmp_path):
    """The file of `entry` in the package, beside an empty cache."""
    monkeypatch.setattr(precompiled, "FOLDER", tmp_path / "package")
    (path,) = shutil.copytree(compiled, precompiled.FOLDER).rglob("*.pickle")
    return path


def carried_entry():
    entry = jit.kernel(lambda x: x + x)
    entry._cache = jit._DispatcherCache("carried")
    return entry


def test_a_carried_kernel_is_loaded_and_nothing_is_written(carried, folder):
    entry = carried_entry()
    assert jit.is_cached(entry, (1.0,))
    assert entry(2.0) == 4.0
    assert sum(entry.stats.cache_hits.values()) == 1
    assert not folder.exists()
    assert [path for path in precompiled.FOLDER.rglob("*") if path.is_file()] == [carried]


def test_a_kernel_that_is_not_carried_is_compiled_and_cached(carried, folder):
    assert carried_entry()(2) == 4
    assert len(list(folder.iterdir())) == 1


def test_a_damaged_carried_kernel_is_ignored(carried, folder):
    carried.write_bytes(carried.read_bytes()[:-1])
    assert carried_entry()(2.0) == 4.0
    assert load(carried_entry(), FLOAT) is not None, "the cache's"
    assert len(list(folder.iterdir())) == 1


def test_a_carried_kernel_of_other_sources_is_not_used(carried, monkeypatch):
    assert load(carried_entry(), FLOAT) is not None
    monkeypatch.setattr(cache, "stamp", lambda: "other")
    *_, (path, _) = carried_entry()._cache.entry(FLOAT, carried_entry().targetctx)._places()
    path.parent.mkdir()
    shutil.copy(carried, path)
    assert load(carried_entry(), FLOAT) is None, "a file that was copied to its path"


def test_a_carried_kernel_of_another_set_of_features_is_not_used(carried, monkeypatch):
    monkeypatch.setattr(precompiled, "matching_key", lambda cpu_key: (cpu_key[0], "generic", "+other"))
    *_, (path, _) = carried_entry()._cache.entry(FLOAT, carried_entry().targetctx)._places()
    shutil.copy(carried, path)
    assert load(carried_entry(), FLOAT) is None
