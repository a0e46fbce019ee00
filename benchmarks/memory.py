"""Resident memory of this process, in MB (1e6 bytes). It imports no library, so that it can measure what one takes."""

import contextlib
import sys


def peak_memory_mb() -> float:
    """Peak resident memory, since the start of the process or the last `reset_peak_memory`."""
    try:
        # Not getrusage: on Linux its value survives exec, so that a small child process reports its parent's peak.
        return _status_mb("VmHWM")
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def reset_peak_memory() -> float:
    """Let the peak begin at the memory that the process has now, on Linux alone; return the peak from then on."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return peak_memory_mb()


def anonymous_memory_mb() -> float:
    """Anonymous resident memory, without pages of mapped files; Linux only."""
    return _status_mb("RssAnon")


def _status_mb(name: str) -> float:
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e6
