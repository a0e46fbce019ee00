"""Benchmarks: comparisons with other libraries, the regression check between commits, and pytest-benchmark suites."""
