"""What becomes of a session: it is remembered only where its client has what it holds."""

from __future__ import annotations

import pytest

from lingma_trio.sessions.commit import Commit, Delivered, how_committed

WHOLE = Delivered("yes")
CUT = Delivered("ye", cut=True)
ALTERED = Delivered("yes", altered=True, untold="Not all was passed on.")
TOLD = Delivered("yes", untold="Not all was passed on.")


@pytest.mark.parametrize(
    ("delivered", "expected"), [(WHOLE, "kept"), (TOLD, "told"), (ALTERED, "altered"), (CUT, "cut")]
)
def test_what_the_client_was_given_decides(delivered: Delivered, expected: Commit) -> None:
    """Promise: a session is kept as it is, kept and told, or not kept, by what its client has."""
    assert how_committed(delivered, reuse=True, once=False, confirmed=True) == expected


@pytest.mark.parametrize("delivered", [WHOLE, TOLD, ALTERED])
def test_an_end_that_lingma_did_not_confirm_is_kept_for_nobody(delivered: Delivered) -> None:
    """Promise: without Lingma's word nobody knows what the session holds."""
    assert how_committed(delivered, reuse=True, once=False, confirmed=False) == "idle_end"


@pytest.mark.parametrize("delivered", [WHOLE, TOLD, ALTERED, CUT])
def test_nothing_is_kept_that_nobody_will_ask_for(delivered: Delivered) -> None:
    """Promise: where sessions are not reused, or nobody goes on, that is the reason whatever else there is."""
    assert how_committed(delivered, reuse=False, once=True, confirmed=False) == "off"
    assert how_committed(delivered, reuse=True, once=True, confirmed=False) == "once"
