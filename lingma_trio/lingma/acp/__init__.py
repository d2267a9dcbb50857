"""An agent that speaks the Agent Client Protocol: its place, its process, its lives and its sessions."""
