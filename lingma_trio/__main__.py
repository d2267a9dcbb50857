"""`python -m lingma_trio` is the command `lingma-trio`."""

from __future__ import annotations

from lingma_trio.cli import main

if __name__ == "__main__":
    main()
