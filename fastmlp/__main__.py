"""Entry point of ``python -m fastmlp`` and of the ``fastmlp`` script, which exists without the ``cli`` extra too."""

import gc
import signal
import sys
from typing import Any

from fastmlp.errors import FastMLPError


def main() -> int:
    """Run the command line; without the ``cli`` extra, print the command that installs it.

    Returns
    -------
    int
        The exit code: 2 after an error, 130 after Ctrl-C, 143 after SIGTERM.
    """
    # Where SciPy is installed, Numba imports scipy.linalg on its first use, to support np.dot, which no kernel calls.
    # That takes 0.2 s of the 0.9 s until the first epoch begins. No other code shares this process, so block it.
    sys.modules.setdefault("scipy.linalg", None)  # type: ignore[arg-type]
    received: list[int] = []

    def interrupt(number: int, _: Any) -> None:  # batch queues send SIGTERM: handle it like Ctrl-C
        received.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        from fastmlp import cli

        return cli.main()
    except FastMLPError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt as interruption:
        details = f": {interruption}" if str(interruption) else ""  # what has been saved, and how to resume
        sys.stderr.write(f"{'terminated' if received else 'interrupted'}{details}\n")
        return 143 if received else 130
    finally:
        gc.freeze()  # the final collection over all of Numba's objects takes 0.5 of the 0.6 s that the exit takes


if __name__ == "__main__":
    sys.exit(main())
