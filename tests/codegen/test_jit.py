import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import numpy as np
import pytest

from fastmlp.codegen import jit

PACKAGE = Path(jit.__file__).parents[1]


def make_entry():
    @jit.kernel(cache=True)
    def entry(x):
        return x + x

    return entry


@pytest.fixture(autouse=True)
def no_other_folder(monkeypatch, tmp_path):
    """What a test keeps among temporary files, no other finds there."""
    monkeypatch.setattr(jit, "temporary_cache_dir", lambda: tmp_path / "temporary")


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return jit.cache_dir()


# the decorator


def test_a_kernel_divides_by_zero_like_numpy():
    divide = jit.kernel(lambda a, b: a / b)
    assert divide(1.0, 0.0) == np.inf


def test_a_kernel_keeps_the_order_of_sums():
    add = jit.kernel(lambda a, b, c: (a + b) + c)
    assert add(1e16, 1.0, -1e16) == (1e16 + 1.0) - 1e16


# the cache


def test_a_kept_kernel_is_found_by_a_new_one(folder):
    first, second = make_entry(), make_entry()
    assert not jit.is_cached(first, (1.0,))
    assert first(1.0) == 2.0
    assert jit.is_cached(first, (1.0,))
    assert jit.is_cached(second, (1.0,))
    assert second(2.0) == 4.0
    assert sum(second.stats.cache_hits.values()) == 1


def test_types_are_kept_apart(folder):
    entry = make_entry()
    entry(1.0)
    assert not jit.is_cached(make_entry(), (1,))
    entry(1)
    assert len(list(folder.iterdir())) == 2


def test_no_unfinished_file_is_left(folder):
    make_entry()(1.0)
    assert [path.suffix for path in folder.iterdir()] == [".pickle"]


@pytest.mark.parametrize("damage", [lambda octets: b"", lambda octets: octets[:100], lambda octets: b"x" + octets[1:]])
def test_a_damaged_file_is_compiled_anew(damage, folder):
    make_entry()(1.0)
    (path,) = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert make_entry()(3.0) == 6.0
    again = make_entry()
    again(1.0)
    assert sum(again.stats.cache_hits.values()) == 1


def test_a_folder_that_cannot_be_written_costs_a_warning_and_no_result(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    entry = make_entry()
    with pytest.warns(UserWarning, match=r"cannot be kept in .*file.*NUMBA_CACHE_DIR names another folder"):
        assert entry(1.0) == 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert entry(2.0) == 4.0


def test_an_import_makes_no_folder(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", "import fastmlp"], env=environment, check=True)
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_the_users_cache_is_where_the_system_says(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jit.cache_dir().parent == tmp_path / "fastmlp"


# the stamp


@pytest.fixture
def copied(monkeypatch, tmp_path):
    jit.stamp()  # kept from here on: the stamp of the package as it is
    shutil.copytree(PACKAGE, tmp_path / "fastmlp", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(jit, "_PACKAGE", tmp_path / "fastmlp")
    return tmp_path / "fastmlp"


def test_a_copy_has_the_same_stamp(copied):
    assert jit.stamp.__wrapped__() == jit.stamp()


@pytest.mark.parametrize("name", [path.relative_to(PACKAGE).as_posix() for path in jit.sources()])
def test_an_edit_of_any_source_changes_the_stamp(name, copied):
    with (copied / name).open("a") as file:
        file.write("#")
    assert jit.stamp.__wrapped__() != jit.stamp()


def test_a_new_kernel_file_changes_the_stamp(copied):
    (copied / "kernels" / "novel.py").touch()
    assert jit.stamp.__wrapped__() != jit.stamp()


def test_the_width_of_a_vector_changes_the_stamp(monkeypatch):
    before = jit.stamp()
    monkeypatch.setattr(jit.cpu, "vector_bits", lambda: 64)
    assert jit.stamp.__wrapped__() != before


def test_kernels_that_check_bounds_are_kept_apart(monkeypatch):
    before = jit.stamp()
    monkeypatch.setattr(jit.config, "BOUNDSCHECK", not jit.config.BOUNDSCHECK)
    assert jit.stamp.__wrapped__() != before


def test_a_stale_kernel_is_not_used_after_an_edit_of_one_that_it_calls(copied, tmp_path):
    inner, outer = copied / "kernels" / "inner.py", copied / "kernels" / "outer.py"
    head = "from fastmlp.codegen.jit import kernel\n"
    outer.write_text(
        head + "from fastmlp.kernels.inner import f\n@kernel(cache=True)\ndef entry(x):\n    return f(x)\n"
    )
    code = "from fastmlp.kernels.outer import entry; print(entry(1), sum(entry.stats.cache_hits.values()))"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    said = []
    for factor in (2, 2, 3):
        inner.write_text(f"{head}@kernel\ndef f(x):\n    return {factor} * x\n")
        command = [sys.executable, "-B", "-c", code]
        run = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        said.append(run.stdout)
    assert said == ["2 0\n", "2 1\n", "3 0\n"]


# kernels of something else


def load(entry, types, **changes):
    """What a entry finds on disk for arguments of these types."""
    return entry._cache.load_overload(types, entry.targetctx)


@pytest.fixture
def kept(folder):
    """A entry that was compiled and kept, its types and its file."""
    entry = make_entry()
    entry(1.0)
    (path,) = folder.iterdir()
    return entry, next(iter(entry.overloads)), path


def test_a_kept_kernel_is_loaded(kept):
    entry, types, _ = kept
    assert load(entry, types) is not None


def test_a_kernel_of_another_cpu_is_not_used(kept, monkeypatch):
    entry, types, path = kept
    triple, _, features = entry.targetctx.codegen().magic_tuple()
    for other in ((triple, "pentium", features), (triple, "", features + ",+new"), ("aarch64-linux", "", features)):
        monkeypatch.setattr(type(entry.targetctx.codegen()), "magic_tuple", lambda self, other=other: other)
        assert not entry._cache.paths(types, entry.targetctx)[0].exists()
        assert load(entry, types) is None
        path.rename(path := entry._cache.paths(types, entry.targetctx)[0])
        assert load(entry, types) is None, "a file that was moved into its place"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("numba.__version__", "0.0"),
        ("llvmlite.__version__", "0.0"),
        ("sys.version", "2.7"),
        ("cpu.vector_bits", lambda: 64),
        ("config.OPT", "0"),
    ],
)
def test_a_kernel_of_another_version_or_width_is_not_used(place, value, kept, monkeypatch):
    entry, types, path = kept
    holder, name = place.split(".")
    monkeypatch.setattr(getattr(jit, holder), name, value)
    monkeypatch.setattr(jit, "stamp", jit.stamp.__wrapped__)
    other = entry._cache.paths(types, entry.targetctx)[0]
    assert other.parent != path.parent
    assert load(entry, types) is None
    other.parent.mkdir(parents=True)
    shutil.copy(path, other.parent / other.name)
    assert load(entry, types) is None, "a folder that was copied into its place"


def test_a_kernel_in_another_ones_place_is_not_used(kept):
    _, _, path = kept

    @jit.kernel(cache=True)
    def other(x):
        return x * x

    path.rename(other._cache.paths((numba.float64,), other.targetctx)[0])
    assert other(3.0) == 9.0
