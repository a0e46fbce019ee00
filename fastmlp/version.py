"""The version of the package, which is also written into files and records."""

__version__ = "0.1.0"
