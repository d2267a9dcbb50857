"""The one fault of this package."""

from __future__ import annotations


class BootstrapFault(Exception):
    """The binary cannot be fetched, unpacked or installed; the message says what stands in the way."""
