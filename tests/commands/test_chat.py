"""`chat` holds a conversation: streamed, over several turns, with answers that can be cancelled."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from tests.commands.support import run
from tests.end_to_end.client import question
from tests.end_to_end.gateway import environment, started
from tests.end_to_end.terminal import on_a_terminal

CHAT = (sys.executable, "-m", "lingma_trio", "chat")
TAKEN_BACK = "and this is taken back, " * 60


def test_conversation_goes_on_over_turns_and_cancelled_answers(tmp_path: Path) -> None:
    """Ctrl-C cancels the answer and no more, and shows that the slot is free; the model never hears of it again.

    The gateway chose its port itself, and is found since it runs for the same folder.
    """
    settings = {"HOME": str(tmp_path), "API_KEYS": "sk-of-the-conversation"}
    slow = {**settings, "LINGMA_SIMULATOR": "first=0.2,gap=0.1,record=1"}
    with (
        started(tmp_path, **slow) as gateway,
        on_a_terminal(CHAT, directory=tmp_path, environment=environment(tmp_path, settings)) as terminal,
    ):
        terminal.until("the bundled simulator answers")
        terminal.until("> ")
        terminal.type("Guten Morgen")
        terminal.until(r"message 1 of this session[^\n]+\n\n> ")
        terminal.type(TAKEN_BACK)
        terminal.until("This is the")
        terminal.press("\x03")
        terminal.until("cancelled; its slot is free: 0 requests are in flight\n")
        terminal.until("> ")
        terminal.type("Gute Nacht")
        terminal.until(r"message 1 of this session[^\n]+\n\n> ")  # a new one: the cancelled answer has spent the other
        terminal.type("Schlaf gut")
        terminal.until(r"message 2 of this session[^\n]+\n\n> ")
        lengths = [record["length"] for record in gateway.records if record["kind"] == "ask"]
        assert 100 < lengths[2] < len(TAKEN_BACK)  # the whole conversation as one prompt, without what was taken back
        with closing(HTTPConnection("127.0.0.1", gateway.port)) as other:
            headers = {"content-type": "application/json", "authorization": "Bearer sk-of-the-conversation"}
            other.request("POST", "/v1/chat/completions", question("Mine.\n#simulate gap=600"), headers)
            other.getresponse()
            terminal.type("and this as well")
            terminal.until("This is the")
            terminal.press("\x03")
            terminal.until(r"cancelled; 1 requests of others are in flight\n+> ")
        terminal.press("\x04")
        assert terminal.exit_status() == 0


def test_lines_of_a_pipe_are_questions(tmp_path: Path) -> None:
    """One after another, to the end; a refusal is told and is the exit status."""
    with started(tmp_path) as gateway:
        url = f"http://127.0.0.1:{gateway.port}"
        done = run(tmp_path, "chat", "--url", url, typed="One\n\nTwo\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert "message 2 of this session; the first was: “One”" in done.stdout
    with started(tmp_path / "keyed", API_KEYS="sk-of-somebody-else") as gateway:
        refused = run(tmp_path, "chat", "--url", f"http://127.0.0.1:{gateway.port}", typed="One\n")
        assert refused.returncode == 1
        assert "key" in refused.stdout


def test_bytes_that_are_no_text_break_nothing_off(tmp_path: Path) -> None:
    """Neither in a line nor on the command line."""
    with started(tmp_path) as gateway:
        url = f"http://127.0.0.1:{gateway.port}"
        for encoding in ("utf-8:strict", "utf-8:surrogateescape"):  # as locales have it
            done = subprocess.run(
                [*CHAT, "--url", url, "--system", b"\xff", "--model", b"\xff"],
                cwd=tmp_path,
                env={**environment(tmp_path, {}), "PYTHONIOENCODING": encoding},
                input=b"caf\xe9 au lait\n",
                capture_output=True,
                check=False,
                timeout=60,
            )
            assert (done.returncode, done.stderr) == (0, b"")
            assert "caf\ufffd au lait" in done.stdout.decode()


def test_nobody_there_is_told(tmp_path: Path) -> None:
    """With status 3."""
    done = run(tmp_path, "chat", PORT="1")
    assert done.returncode == 3
    assert "nothing answers at http://127.0.0.1:1" in done.stdout
