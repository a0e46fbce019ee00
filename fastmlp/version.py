"""The version of the package, which is also written into files and records."""

__version__ = "1.0.0rc1"
