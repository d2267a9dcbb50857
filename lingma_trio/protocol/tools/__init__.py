"""Calls of tools on Lingma's wire: what it says of them, in which shapes, and what it is told back."""
