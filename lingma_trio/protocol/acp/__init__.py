"""The Agent Client Protocol, version 1, as a client speaks it: what is sent, and what comes back."""
