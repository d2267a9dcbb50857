"""Which upstream session holds which conversation: what proves it, and who may continue it. Pure."""
