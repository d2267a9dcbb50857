"""Decisions that need no input or output: what to retry, which session, how much. The clock is always an argument."""
