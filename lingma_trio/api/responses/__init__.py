"""The Responses API as pure translation: items to a `Prompt`, the events of an answer to typed events or one object.

Knows OpenAI's items and events; must not know HTTP, Trio, Lingma or the clock, nor where responses are kept.
"""
