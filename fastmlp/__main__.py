"""``python -m fastmlp`` and the ``fastmlp`` script, which is installed even where the ``cli`` extra is not."""

import sys

from fastmlp.errors import FastMLPError


def main() -> int:
    """Run the command line, or say which package it lacks.

    Returns
    -------
    int
        The exit code.
    """
    try:
        from fastmlp import cli
    except FastMLPError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
