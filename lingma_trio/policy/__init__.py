"""Decisions that need no input or output: what to retry, which instance, how much. The clock is always an argument."""
