"""The first mutants of scripts/fuzz_readers.py: every reader succeeds or refuses, within limits of time and memory."""

import importlib.util
import io
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path

import numpy as np
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


PROTECTED = [name for name, reader in FUZZ.READERS.items() if reader.protection is not FUZZ.NONE]
N_BITS = 400


@pytest.mark.skipif(os.name == "nt", reason="Windows does not replace a mapped file")
@pytest.mark.parametrize("name", PROTECTED)
def test_a_flipped_bit_is_refused_or_changes_nothing(name, tmp_path, monkeypatch):
    """Some of the bits; ``--flip-every-bit`` tries them all."""
    monkeypatch.setattr(cifar10, "RECORDS", FUZZ.RECORDS)
    monkeypatch.setattr(cifar10, "PICKLED_EXTRA_BYTES", FUZZ.EXTRA_BYTES)
    harness, rng = FUZZ.Harness(name, tmp_path), random.Random(name)
    places = [(file, bit) for file, content in harness.valid.items() for bit in range(8 * len(content))]
    outcomes = Counter(harness.try_bit(file, bit) for file, bit in rng.sample(places, min(N_BITS, len(places))))
    assert set(outcomes) <= {"same", "refused"}
    assert outcomes["refused"] > N_BITS / 3


def test_other_content_is_reported_where_checksums_should_tell(tmp_path):
    harness = FUZZ.Harness("csv", tmp_path)
    other = harness.valid["x.csv"].replace(b"cat", b"cow")
    assert harness.try_content("x.csv", other, FUZZ.BYTES) == "changed"
    assert harness.try_content("x.csv", harness.valid["x.csv"], FUZZ.BYTES) == "same"
    harness.reader = harness.reader._replace(protection=FUZZ.BYTES)
    assert harness.try_content("x.csv", other, FUZZ.BYTES) == "other content, silently"
    assert harness.try_content("x.csv", other, FUZZ.ALL) == "changed"


@pytest.mark.parametrize("name", ["model", "study.json", "runs.jsonl"])
def test_content_without_checksums_is_read_with_a_warning(name, tmp_path):
    harness = FUZZ.Harness(name, tmp_path)
    (file,) = harness.valid
    if name == "model":
        with np.load(io.BytesIO(harness.valid[file])) as arrays:
            content = dict(arrays)
        header = json.loads(str(content.pop("header"))) | {"n_epochs": 7}
        del header["checksum"], header["manifest"]
        made = io.BytesIO()
        np.savez(made, header=json.dumps(header), **content)
        other = made.getvalue()
    else:
        lines = harness.valid[file].splitlines() if name == "runs.jsonl" else [harness.valid[file]]
        records = [json.loads(line) for line in lines]
        for record in records:
            del record["checksum"]
            record.update({"seconds": 7.0} if name == "runs.jsonl" else {"n_repeats": 3})
        other = b"\n".join(json.dumps(record).encode() for record in records)
    assert harness.try_content(file, other, FUZZ.ALL) == "unverified"


@pytest.mark.filterwarnings("ignore")
def test_a_mutant_is_the_same_every_time(tmp_path, monkeypatch):
    valid = FUZZ.Harness("npz", tmp_path).valid["x.npz"]
    mutants = []
    for now in (1e9, 2e9):
        monkeypatch.setattr("time.time", lambda now=now: now)
        mutants.append([FUZZ.mutate(valid, "zip", random.Random(seed))[0] for seed in range(20)])
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
