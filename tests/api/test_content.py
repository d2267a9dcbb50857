"""What a message holds: parts as one, and the message of it."""

from __future__ import annotations

from lingma_trio.api.content import IMAGE, Content, joined, picture
from lingma_trio.turns import Message, ToolCall


def test_parts_are_one_content_in_their_order() -> None:
    """Each on a line of its own, with what stands behind its placeholders and where it ends."""
    boat = picture("boat", "https://a/boat.png", ".url")
    both = joined([Content("a"), boat.within("[1]"), Content("b")])
    assert both == Content(f"a\n{IMAGE}\nb", boat.attachments, ("https://a/boat.png",), (1, 9))
    assert both.image_fields == ("[1].url",)
    assert joined([boat]) is boat
    assert joined([]) == Content()


def test_a_picture_is_told_from_another_by_its_source() -> None:
    """Not by its address, which is empty for one that is kept elsewhere."""
    assert picture("a", "", "f").attachments != picture("b", "", "f").attachments
    assert picture("a", "x", "f").attachments == picture("a", "y", "f").attachments


def test_a_picture_has_its_plain_address() -> None:
    """Upstream knows no escapes, which every surface takes."""
    given = "data:image/png;base64,AA%2BA%3D"
    assert picture(given, given, "f").images == ("data:image/png;base64,AA+A=",)


def test_the_message_of_a_content_has_all_of_it() -> None:
    """Beside what only the message knows."""
    call = ToolCall("c", "f", "{}")
    content = Content("a", ("d",), ("i",), (1,), ("f",))
    message = content.message("assistant", name="n", tool_call_id="t", tool_calls=(call,))
    assert message == Message("assistant", "a", "n", "t", (call,), ("d",), ("i",), (1,))
    assert message.image_fields == ("f",)
