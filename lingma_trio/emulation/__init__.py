"""Tools and formats of answers, which Lingma does not have, emulated in the text that a model is given and gives.

This is the one door: `rules` and `with_word` say in a prompt how its answer has to look, and `check_of` makes what
holds the answer to it. Must not know who asks, surfaces, or Lingma's wire.
"""

from __future__ import annotations

from lingma_trio.emulation.answer_check import AnswerCheck, check_of
from lingma_trio.emulation.answer_rules import rules, with_word

__all__ = ["AnswerCheck", "check_of", "rules", "with_word"]
