"""Anthropic's messages, token counts and models, as a translation between bytes and the vocabulary of
`lingma_trio.turns`.

Must not know HTTP, Trio or Lingma.
"""
