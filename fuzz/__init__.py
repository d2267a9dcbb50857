"""Coverage-guided fuzzing of what reads bytes of strangers: one module a target, one runner (`python -m fuzz`)."""
