"""API keys: how they are written in the settings and in KEYS_FILE, and what each of them may do.

Must not know requests, clocks or who asks. Nothing here repeats a key in a fault.
"""
