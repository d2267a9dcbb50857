"""Runs the simulator as a program of its own, so that it can be launched like Lingma's binary."""

from __future__ import annotations

from lingma_trio.simulator.cli import main

if __name__ == "__main__":
    main()
