"""The first mutants of scripts/fuzz_readers.py: every reader succeeds or refuses, within limits of time and memory."""

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


FUZZ = load_script()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not replace a mapped file")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FUZZ.READERS)
def test_a_mutant_is_read_or_refused(name, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "RECORDS", FUZZ.RECORDS)
    monkeypatch.setattr(cifar10, "PICKLED_EXTRA_BYTES", FUZZ.EXTRA_BYTES)
    harness = FUZZ.Harness(name, tmp_path)
    outcomes = Counter(harness.try_mutant(seed) for seed in range(N_MUTANTS))
    assert set(outcomes) <= set(FUZZ.OUTCOMES)
    assert outcomes["refused"] > 0


@pytest.mark.filterwarnings("ignore")
def test_a_mutant_is_the_same_every_time(tmp_path, monkeypatch):
    valid = FUZZ.Harness("npz", tmp_path).valid["x.npz"]
    mutants = []
    for now in (1e9, 2e9):
        monkeypatch.setattr("time.time", lambda now=now: now)
        mutants.append([FUZZ.mutate(valid, "zip", random.Random(seed)) for seed in range(20)])
    assert mutants[0] == mutants[1]
    assert len(set(mutants[0])) > 15


@pytest.mark.parametrize("name", ["model", "study.json", "runs.jsonl"])
def test_the_valid_files_are_the_same_every_time(name, tmp_path):
    assert FUZZ.Harness(name, tmp_path / "a").valid == FUZZ.Harness(name, tmp_path / "b").valid


@pytest.mark.skipif(os.name == "nt", reason="Windows has no /etc/passwd")
def test_forbidden_actions_of_a_reader_are_reported(tmp_path):
    harness = FUZZ.Harness("csv", tmp_path)
    wrong = {
        "forbidden: open": lambda folder: (tmp_path / "beside").write_text("x"),
        "forbidden: os.mkdir": lambda folder: (tmp_path / "folder").mkdir(),
        "forbidden: open /etc/passwd": lambda folder: open("/etc/passwd").close(),
        "memory": lambda folder: bytes(30 << 20),
        "KeyError": lambda folder: {}["x"],
    }
    for outcome, read in wrong.items():
        harness.reader = harness.reader._replace(read=read)
        assert harness.outcome(20 << 20).startswith(outcome)
