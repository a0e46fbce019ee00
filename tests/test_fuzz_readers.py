"""The first mutants of scripts/fuzz_readers.py: every reader works or refuses, in little time and memory."""

import importlib.util
import os
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from fastmlp.data import cifar10

SCRIPT = Path(__file__).parents[1] / "scripts" / "fuzz_readers.py"
N_MUTANTS = 80


def load_script():
    spec = importlib.util.spec_from_file_location("fuzz_readers", SCRIPT)
    sys.modules["fuzz_readers"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPTED = load_script()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let a mapped file be replaced")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCRIPTED.READERS)
def test_a_mutant_is_read_or_refused(name, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "RECORDS", SCRIPTED.RECORDS)
    monkeypatch.setattr(cifar10, "PICKLED_EXTRA_BYTES", SCRIPTED.EXTRA_BYTES)
    bench = SCRIPTED.Bench(name, tmp_path)
    outcomes = Counter(bench.try_mutant(seed) for seed in range(N_MUTANTS))
    assert set(outcomes) <= {"works", "refused"}
    assert outcomes["refused"] > 0


@pytest.mark.filterwarnings("ignore")
def test_a_mutant_is_the_same_every_time(tmp_path, monkeypatch):
    sound = SCRIPTED.Bench("npz", tmp_path).sound["x.npz"]
    twins = []
    for now in (1e9, 2e9):
        monkeypatch.setattr("time.time", lambda now=now: now)
        twins.append([SCRIPTED.mutate(sound, "zip", random.Random(seed)) for seed in range(20)])
    assert twins[0] == twins[1]
    assert len(set(twins[0])) > 15


@pytest.mark.parametrize("name", ["model", "study.json", "runs.jsonl"])
def test_what_is_damaged_is_the_same_every_time(name, tmp_path):
    assert SCRIPTED.Bench(name, tmp_path / "a").sound == SCRIPTED.Bench(name, tmp_path / "b").sound


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file")
def test_what_is_not_allowed_is_seen(tmp_path):
    bench = SCRIPTED.Bench("csv", tmp_path)
    wrong = {
        "touched: open": lambda folder: (tmp_path / "beside").write_text("x"),
        "touched: os.mkdir": lambda folder: (tmp_path / "folder").mkdir(),
        "touched: open /etc/passwd": lambda folder: open("/etc/passwd").close(),
        "memory": lambda folder: bytes(30 << 20),
        "KeyError": lambda folder: {}["x"],
    }
    for outcome, read in wrong.items():
        bench.reader = bench.reader._replace(read=read)
        assert bench.judge(20 << 20).startswith(outcome)
