"""How many small pieces show whether a text is held as one."""

import sys

PIECES = 10_000 if sys.version_info >= (3, 12) else 100_001
"""The oldest Python's `io.StringIO` makes one text of what was written each hundred thousand times."""
