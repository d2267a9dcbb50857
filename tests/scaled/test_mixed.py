"""What the mixed play of the scale test lets pass, and what it finds."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.scaled.cluster import Agent, Cluster
from tests.scaled.mixed import Mixed
from tests.scaled.table import Row
from tests.scaled.talk import CUT, OK, SILENT, Conversation, Heard
from tests.servers import Server

ANSWER = (
    "This is the Lingma simulator; no model was asked. You said: “{}”. "
    "(message {} of this session; the first was: “{}”.)"
)


class Told(Conversation):
    """A conversation whose next question is answered so."""

    said = Heard(OK)

    async def ask(self, port: int, fork: int = 0) -> Heard:
        del port
        if self.said.outcome == OK:
            self.messages += [{"role": "user", "content": self.question(fork)}, {"role": "assistant", "content": ""}]
        return self.said


@pytest.mark.parametrize(
    ("said", "gone", "findings"),
    [
        (Heard("upstream_lost"), -9, 0),
        (Heard("internal_error"), -9, 1),
        (Heard("login_required"), -9, 1),
        (Heard(SILENT), 0, 1),
        (Heard(CUT), 0, 0),
        (Heard(CUT), -9, 1),
        (Heard("status 502"), -9, 1),
        (Heard(OK, "of another"), -9, 1),
        (Heard(OK, ANSWER.format("q 0 0: ".ljust(40, "x"), 2, "q 0 0: ".ljust(40, "x"))), -9, 1),
        (Heard(OK, ANSWER.format("q 0 0: ".ljust(40, "x"), 1, "q 0 0: ".ljust(40, "x"))), -9, 0),
    ],
    ids=[
        "lost", "a bug", "sent to sign in", "silence", "cut with its gateway", "cut without", "nobody there",
        "no answer", "a turn too many", "right",
    ],
)  # fmt: skip
async def test_failures_and_lies_are_told_apart(
    autojump_clock: MockClock, said: Heard, gone: float, findings: int
) -> None:
    """A failure is one that may be seen then, and an answer one of this conversation, or it is a fault of the row."""
    row = Row("anything")
    mixed = Mixed(Cluster(), row, random.Random(1), gone=gone)
    talk = Told("q", "a key")
    talk.said = said
    await mixed.ask(talk)
    assert len(row.faults) == findings


async def test_what_hits_nobody_is_no_trouble(tmp_path: Path) -> None:
    """A Lingma may have died with its agent, which has not written down another one yet."""
    (tmp_path / "lingma-simulator-0").mkdir()
    info = tmp_path / "lingma-simulator-0" / ".info"
    mixed = Mixed(Cluster(agents=[Agent(Server("agent-1", (), 0, tmp_path))]), Row("anything"), random.Random(1))
    async with trio.open_nursery() as nursery:
        lingma = await nursery.start(partial(trio.run_process, ["sleep", "60"], check=False))
        info.write_text(f"0 {lingma.pid}", encoding="utf-8")
        await mixed.kill_lingma()
        assert mixed.troubles == ["a Lingma: SIGKILL"]
    await mixed.kill_lingma()
    assert mixed.troubles == ["a Lingma: SIGKILL"]
