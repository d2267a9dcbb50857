"""Ollama's chat, generate and models, as a translation between bytes and the vocabulary of `lingma_trio.turns`.

Must not know HTTP, Trio or Lingma. The clock is an argument.
"""
