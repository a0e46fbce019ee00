import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from fastmlp.errors import OutputError
from fastmlp.io.lock import locked, try_lock, unlock

HOLD = """
import sys, time
from pathlib import Path
from fastmlp.io.lock import try_lock
lock = try_lock(Path(sys.argv[1]))
print("held" if lock is not None else "refused", flush=True)
time.sleep(100)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.lock"


@pytest.fixture
def other_process(path):
    """A process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_lock_is_exclusive_within_a_process(path):
    lock = try_lock(path)
    assert lock is not None
    assert try_lock(path) is None


def test_a_lock_is_exclusive_between_processes(path, other_process):
    assert try_lock(path) is None


def test_a_released_lock_can_be_acquired_again(path):
    unlock(try_lock(path))
    lock = try_lock(path)
    assert lock is not None
    unlock(lock)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals of this kind")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_lock_is_released_when_its_process_dies(name, path, other_process):
    other_process.send_signal(getattr(signal, name))
    other_process.wait()
    lock = try_lock(path)
    assert lock is not None
    unlock(lock)


def test_a_second_holder_waits_until_the_first_one_releases_the_lock(path):
    events, lock = [], try_lock(path)

    def wait_for_lock():
        events.append("waiting")
        with locked(path):
            events.append("second")

    thread = threading.Thread(target=wait_for_lock)
    thread.start()
    while not events:
        time.sleep(0.001)
    time.sleep(0.1)
    events.append("first")
    unlock(lock)
    thread.join(timeout=30)
    assert events == ["waiting", "first", "second"]


def test_a_block_releases_its_lock_at_the_end_and_after_an_error(path):
    with locked(path):
        assert try_lock(path) is None
    with pytest.raises(ValueError, match="stop"), locked(path):
        raise ValueError("stop")
    lock = try_lock(path)
    assert lock is not None
    unlock(lock)


@pytest.mark.parametrize("acquire", [try_lock, lambda path: locked(path).__enter__()], ids=["try_lock", "locked"])
def test_a_lock_file_that_cannot_be_created_is_an_error(acquire, tmp_path):
    with pytest.raises(OutputError, match=r"run\.lock cannot be written: "):
        acquire(tmp_path / "missing" / "run.lock")
