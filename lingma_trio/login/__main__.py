"""`python -m lingma_trio.login`: the worker, which takes its order from standard input."""

from __future__ import annotations

from lingma_trio.login.worker import main

if __name__ == "__main__":
    main()
