"""The API surfaces as pure translation: a request's body to a `Prompt`, the events of an answer to bytes.

Knows JSON and what clients expect; must not know HTTP, Trio, Lingma or the clock.
"""
