"""A download comes whole, however often the line breaks, and never from where it should not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import trio

from lingma_trio.bootstrap.download import Download, DownloadBounds, Downloaded, open_client, redirect_target
from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.policy.backoff import Backoff
from tests.bootstrap.publisher import PATIENCE, File, Publisher, publishing

CONTENT = bytes(range(256)) * 100  # 25,600 bytes
ETAG = '"one"'
BOUNDS = DownloadBounds(max_size=1_000_000, stall=PATIENCE, fruitless=3)


def at_once() -> Backoff:
    """Pauses too short to notice."""
    return Backoff(first=0.001, cap=0.001)


class Line:
    """A publisher with one file, and a download of it."""

    def __init__(self, publisher: Publisher, client: httpx2.AsyncClient, part: Path) -> None:
        self.publisher = publisher
        self.client = client
        self.part = part
        self.url = f"{publisher.base}/file"
        self.progress: list[tuple[int, int | None]] = []

    async def run(self, file: File | None = None, *, unless: str = "", bounds: DownloadBounds = BOUNDS) -> bytes | None:
        """What is downloaded, as it lies on the disk."""
        if file is not None:
            self.publisher.files["/file"] = file
        download = Download(self.client, self.part, bounds, backoff=at_once())
        with trio.fail_after(PATIENCE):
            done = await download.run(
                self.url, unless=unless, on_progress=lambda done, total: self.progress.append((done, total))
            )
        assert done is None or done == Downloaded(self.part, self.publisher.files["/file"].etag)
        return None if done is None else self.part.read_bytes()

    @property
    def ranges(self) -> list[str | None]:
        """The range that each request asked for."""
        return [request.headers.get("range") for request in self.publisher.requests]


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """A line to a publisher."""
    async with publishing() as publisher, open_client(BOUNDS) as client:
        yield Line(publisher, client, tmp_path / "file.part")


@pytest.mark.parametrize("tells", [True, False])
async def test_file_comes_whole(line: Line, tells: bool) -> None:
    """A file arrives as it is, whether its length is told or not, and the progress ends at its size."""
    assert await line.run(File(CONTENT, tells=tells)) == CONTENT
    total = len(CONTENT) if tells else None
    assert (line.progress[0], line.progress[-1]) == ((0, total), (len(CONTENT), total))
    (request,) = line.publisher.requests
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"].startswith("lingma-trio/")


async def test_broken_download_goes_on_where_it_broke(line: Line) -> None:
    """After a break only the rest is asked for, on condition that it is the rest of the same file."""
    assert await line.run(File(CONTENT, etag=ETAG, breaks=[10_000, 5_000])) == CONTENT
    assert line.ranges == [None, "bytes=10000-", "bytes=15000-"]
    assert [request.headers.get("if-range") for request in line.publisher.requests] == [None, ETAG, ETAG]
    assert line.progress[-1] == (len(CONTENT), len(CONTENT))


async def test_next_run_goes_on_too(line: Line) -> None:
    """What an earlier process left behind is not downloaded again."""
    with pytest.raises(BootstrapFault, match="cannot be downloaded: RemoteProtocolError"):
        await line.run(File(CONTENT, etag=ETAG, breaks=[10_000, 0, 0, 0]))
    assert line.part.stat().st_size == 10_000
    assert await line.run() == CONTENT
    assert line.ranges[-1] == "bytes=10000-"


async def test_whole_part_is_taken_as_it_is(line: Line) -> None:
    """A part that lacks nothing costs a question and no download."""
    assert await line.run(File(CONTENT, etag=ETAG)) == CONTENT
    line.progress.clear()
    assert await line.run() == CONTENT
    assert (line.ranges[-1], line.progress) == (f"bytes={len(CONTENT)}-", [])


async def test_server_without_ranges_sends_all_again(line: Line) -> None:
    """Where ranges are ignored the file starts anew, and comes out right all the same."""
    assert await line.run(File(CONTENT, etag=ETAG, ranges=False, breaks=[10_000])) == CONTENT
    assert len(line.ranges) == 2


async def test_changed_file_is_downloaded_anew(line: Line) -> None:
    """A part of yesterday's file is no part of today's."""
    with pytest.raises(BootstrapFault):
        await line.run(File(CONTENT, etag=ETAG, breaks=[10_000, 0, 0, 0]))
    assert await line.run(File(CONTENT[::-1], etag='"two"')) == CONTENT[::-1]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
async def test_file_without_a_proof_is_downloaded_anew(line: Line, etag: str) -> None:
    """Where nothing proves that two parts belong together, they are not put together."""
    assert await line.run(File(CONTENT, etag=etag, breaks=[10_000])) == CONTENT
    assert line.ranges == [None, None]


async def test_date_is_a_proof_too(line: Line) -> None:
    """Without an ETag the date of the last change is the condition of the rest."""
    date = "Sun, 22 Nov 2026 00:00:00 GMT"
    assert await line.run(File(CONTENT, headers=[("last-modified", date)], breaks=[10_000])) == CONTENT
    assert line.publisher.requests[-1].headers["if-range"] == date


async def test_part_of_another_address_is_not_used(line: Line) -> None:
    """A part is a part of what its note says."""
    line.part.write_bytes(b"x" * 100)
    line.part.with_name("file.part.json").write_text(json.dumps({"url": "http://other", "validator": ETAG}))
    assert await line.run(File(CONTENT, etag=ETAG)) == CONTENT
    assert line.ranges == [None]


@pytest.mark.parametrize(
    "note", ["", "[]", '{"url": "%s"}', '{"url": "%s", "validator": 1}', '{"url": "%s", "validator": "\u4e2d"}']
)
async def test_damaged_note_is_no_note(line: Line, note: str) -> None:
    """A note that says nothing usable costs a download and nothing else."""
    line.part.write_bytes(b"x" * 100)
    line.part.with_name("file.part.json").write_text(note.replace("%s", line.url), encoding="utf-8")
    assert await line.run(File(CONTENT, etag=ETAG)) == CONTENT
    assert line.ranges == [None]


@pytest.mark.parametrize("told", ["bytes 0-99/25600", "bytes 5-99/25600", "nonsense", ""])
async def test_wrong_rest_is_not_appended(line: Line, told: str) -> None:
    """A rest that is not the one asked for, or does not say which it is, makes the download start anew."""
    with pytest.raises(BootstrapFault):
        await line.run(File(CONTENT, etag=ETAG, breaks=[10_000, 0, 0, 0]))
    wrong = File(b"y" * 100, status=206, etag=ETAG, headers=[("content-range", told)] if told else [])
    with pytest.raises(BootstrapFault, match="does not go on from it"):
        await line.run(wrong)
    assert await line.run(File(CONTENT, etag=ETAG)) == CONTENT


async def test_part_that_is_too_long_starts_anew(line: Line) -> None:
    """A part longer than its file is of no use, and is not one for long."""
    assert await line.run(File(CONTENT, etag=ETAG)) == CONTENT
    line.publisher.files["/file"].content = CONTENT[:100]
    assert await line.run() == CONTENT[:100]
    assert line.ranges == [None, "bytes=25600-", None]


async def test_unchanged_file_is_not_downloaded(line: Line) -> None:
    """Who has the newest state already gets a word instead of a file."""
    assert await line.run(File(CONTENT, etag=ETAG), unless=ETAG) is None
    assert await line.run(File(CONTENT, etag=ETAG), unless='"other"') == CONTENT


async def test_refusal_is_final(line: Line) -> None:
    """What is not there is not asked for again."""
    with pytest.raises(BootstrapFault, match="/file answers 404"):
        await line.run(File(b"", status=404))
    assert len(line.ranges) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_passing_refusal_is_asked_again(line: Line, status: int) -> None:
    """A server in trouble is asked again, and not for ever."""
    with pytest.raises(BootstrapFault, match=f"cannot be downloaded: the server answers {status}"):
        await line.run(File(b"", status=status))
    assert len(line.ranges) == BOUNDS.fruitless


async def test_attempts_that_bring_something_do_not_count(line: Line) -> None:
    """A line that breaks often is slow, not hopeless."""
    assert await line.run(File(CONTENT, etag=ETAG, breaks=[2_000] * 12)) == CONTENT
    assert len(line.ranges) == 13


async def test_nobody_there_is_a_fault(tmp_path: Path) -> None:
    """Where nobody listens the reason is said after the last attempt."""
    async with publishing() as publisher:
        pass
    async with open_client(BOUNDS) as client:
        download = Download(client, tmp_path / "part", BOUNDS, backoff=at_once())
        with pytest.raises(BootstrapFault, match="cannot be downloaded: ConnectError"):
            await download.run(f"{publisher.base}/file")


async def test_silent_server_is_given_up(line: Line) -> None:
    """A connection over which nothing comes counts as broken."""
    slow = DownloadBounds(stall=0.05, fruitless=2)
    async with open_client(slow) as line.client:
        with pytest.raises(BootstrapFault, match="cannot be downloaded: ReadTimeout"):
            await line.run(File(CONTENT, pace=60), bounds=slow)


@pytest.mark.parametrize("tells", [True, False])
async def test_size_is_bounded(line: Line, tells: bool) -> None:
    """More than the bound is refused when it is told, and else where it is passed."""
    with pytest.raises(BootstrapFault, match=r"20000 are the most|more than 20000 bytes"):
        await line.run(File(CONTENT, tells=tells), bounds=DownloadBounds(max_size=20_000))
    assert not line.part.exists() or line.part.stat().st_size <= 20_000


async def test_encoded_file_is_refused(line: Line) -> None:
    """An encoding nobody asked for would change what a range means."""
    with pytest.raises(BootstrapFault, match="an encoding that was not asked for"):
        await line.run(File(CONTENT, headers=[("content-encoding", "gzip")]))


async def test_redirects_are_followed(line: Line) -> None:
    """The file may lie elsewhere, also for the rest after a break."""
    line.publisher.redirect("/file", "/b")
    line.publisher.redirect("/b", f"{line.publisher.base}/c")
    line.publisher.files["/c"] = File(CONTENT, etag=ETAG, breaks=[10_000])
    line.publisher.files["/file"].etag = ETAG
    assert await line.run() == CONTENT
    assert line.publisher.asked == ["/file", "/b", "/c"] * 2
    assert line.ranges[-1] == "bytes=10000-"


async def test_circle_is_left(line: Line) -> None:
    """Redirects without an end end."""
    line.publisher.redirect("/file", "/file")
    with pytest.raises(BootstrapFault, match="redirects more than 5 times"):
        await line.run()


@pytest.mark.parametrize(
    ("origin", "location", "target"),
    [
        ("http://a.example/x", "/y", "http://a.example/y"),
        ("http://a.example/x", "https://b.example/y", "https://b.example/y"),
        ("https://a.example/x", "//b.example/y", "https://b.example/y"),
        ("https://a.example/x", "http://a.example/x", None),
        ("https://a.example/x", "file:///etc/passwd", None),
        ("http://a.example/x", "ftp://a.example/x", None),
        ("http://a.example/x", "http://a.example:port/", None),
    ],
)
def test_redirects_lead_to_no_lesser_place(origin: str, location: str, target: str | None) -> None:
    """From https there is no way to http, and from neither one out of both."""
    response = httpx2.Response(302, headers={"location": location}, request=httpx2.Request("GET", origin))
    if target is not None:
        assert redirect_target(response) == target
        return
    with pytest.raises(BootstrapFault, match="redirects to"):
        redirect_target(response)


def test_answer_is_no_redirect() -> None:
    """An answer that sends nobody elsewhere is the answer."""
    assert redirect_target(httpx2.Response(200, headers={"location": "/"})) is None
    assert redirect_target(httpx2.Response(304)) is None


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/file", "file:///etc/passwd", "http://a.example:port/", "nonsense"])
async def test_other_addresses_are_faults(line: Line, url: str) -> None:
    """What is no address on the web is said to be none, once."""
    with pytest.raises(BootstrapFault, match="no address to download from"):
        await Download(line.client, line.part, BOUNDS, backoff=at_once()).run(url)


async def test_disk_that_fails_is_a_fault(line: Line) -> None:
    """What cannot be written is told by its path."""
    line.part.mkdir()
    with pytest.raises(BootstrapFault, match=r"file\.part cannot be written \(Is a directory\)"):
        await line.run(File(CONTENT))


async def test_cancelled_download_keeps_its_part(line: Line) -> None:
    """Who gives up in the middle leaves what came, and the next one goes on."""
    line.publisher.files["/file"] = File(CONTENT, etag=ETAG, pace=0.01)
    download = Download(line.client, line.part, BOUNDS, backoff=at_once())
    with trio.fail_after(PATIENCE), trio.CancelScope() as scope:

        def enough(done: int, _total: int | None) -> None:
            if done:
                scope.cancel("the test has seen enough")

        await download.run(line.url, on_progress=enough)
    assert scope.cancelled_caught
    came = line.part.stat().st_size
    assert 0 < came < len(CONTENT)
    assert await line.run(File(CONTENT, etag=ETAG)) == CONTENT
    assert line.ranges == [None, f"bytes={came}-"]


async def test_discarded_part_is_gone(line: Line) -> None:
    """Nothing is left of a part that is of no use, and discarding it twice is no fault."""
    await line.run(File(CONTENT, etag=ETAG))
    for _ in range(2):
        Download(line.client, line.part, BOUNDS, backoff=at_once()).discard()
    assert not list(line.part.parent.iterdir())
