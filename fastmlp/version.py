"""The version, in one place: what is written to disk bears it. Knows nothing else."""

__version__ = "0.1.0"
