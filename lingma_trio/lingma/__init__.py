"""Everything that touches Lingma: its process, its RPC channel, its life under supervision, its turns."""
