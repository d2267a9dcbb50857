"""Gets Lingma's binary from where it is published onto this machine, and leaves what works alone.

Knows packages, archives and one directory. Does not know how the binary is run.
"""
