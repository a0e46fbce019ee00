"""``python -m fastmlp`` and the ``fastmlp`` script, which is installed even where the ``cli`` extra is not."""

import gc
import signal
import sys
from typing import Any

from fastmlp.errors import FastMLPError


def main() -> int:
    """Run the command line, or say which package it lacks.

    Returns
    -------
    int
        The exit code.
    """
    # This process is ours. Where SciPy is installed, Numba imports scipy.linalg on its first use, for np.dot's sake,
    # which no kernel calls: 0.2 s of the 0.9 s until the first epoch begins.
    sys.modules.setdefault("scipy.linalg", None)  # type: ignore[arg-type]
    received: list[int] = []

    def end(number: int, _: Any) -> None:  # as a batch queue asks for it: what Ctrl-C ends, this ends as well
        received.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        from fastmlp import cli

        return cli.main()
    except FastMLPError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt as interruption:
        kept = f": {interruption}" if str(interruption) else ""  # a study says what is kept, and how to go on
        sys.stderr.write(f"{'terminated' if received else 'interrupted'}{kept}\n")
        return 143 if received else 130
    finally:
        gc.freeze()  # a last search through all of Numba's objects takes 0.5 of the 0.6 s that the process takes to end


if __name__ == "__main__":
    sys.exit(main())
