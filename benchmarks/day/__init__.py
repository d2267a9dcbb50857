"""A day's load in an hour: `python -m benchmarks.day`; what it does and judges is in the README of `benchmarks`."""
