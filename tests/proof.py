"""What an answer of a simulated Lingma proves of the session that gave it.

The answer quotes the question and says how many its session has held and what the first was. From that a client can
tell whether the session holds its conversation, all of it, and nothing beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PROOF = re.compile(
    r"This is the Lingma simulator; no model was asked\. You said: “(?P<said>.*?)”\. "
    r"\(message (?P<number>\d+) of this session; the first was: “(?P<first>.*?)”\.\)"
)


def turns_held(text: str, asked: Sequence[str]) -> int:
    """How many turns of a conversation the session holds that answered with `text`; `asked` are the conversation's
    questions, the newest last.

    Raises `AssertionError` unless it holds the conversation from one of its questions on, whole and nothing else.
    """
    proof = PROOF.fullmatch(text)
    assert proof is not None, f"asked {asked[-1]!r}, answered by a cut or altered {text!r}"
    assert proof["said"] == asked[-1], f"asked {asked[-1]!r}, answered {text!r}"
    assert proof["first"] in asked, f"the session began with another's {proof['first']!r}"
    number = len(asked) - asked.index(proof["first"])
    assert int(proof["number"]) == number, f"the session holds {proof['number']} questions, not {number}"
    return number
