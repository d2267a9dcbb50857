"""OpenAI's legacy completions as pure translation: one text in, its continuation out.

Knows JSON and what editors that still use them expect; must not know HTTP, Trio, Lingma or the clock.
"""
