"""What a new installation begins with: a plan of its settings, and the `.env` that holds them.

Knows the settings' names and the notation of such a file. Does not know a command line, and writes nothing itself.
"""
