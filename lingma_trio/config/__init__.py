"""The gateway's settings: what they are, what a variable may hold, and how they are read."""

from __future__ import annotations

from lingma_trio.config.loading import load_settings
from lingma_trio.config.settings import Settings

__all__ = ["Settings", "load_settings"]
