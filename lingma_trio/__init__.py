"""An OpenAI-compatible gateway in front of Lingma, written as one tree of Trio nurseries."""

__version__ = "0.1.0"
