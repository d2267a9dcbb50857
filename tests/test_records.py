"""Records."""

from __future__ import annotations

from dataclasses import field, replace

from lingma_trio.records import record


@record
class Place:
    """Where something is."""

    row: int
    column: int = 0
    said: str = field(default="", compare=False)


def test_a_record_is_its_fields() -> None:
    """Records of the same fields are one and the same in a set, and as small as can be."""
    assert {Place(1, 2), Place(1, 2, "again"), replace(Place(1), column=2)} == {Place(1, 2)}
    assert not hasattr(Place(1), "__dict__")


def test_the_type_checker_alone_refuses() -> None:
    """Each of these is a fault to it, or the word that lets it pass would be one; nothing is paid when it runs."""
    place = Place(1)
    place.row = 2  # type: ignore[misc]
    assert replace(place, column="2") != place  # type: ignore[arg-type]
    assert place == Place(2)
    assert "__setattr__" not in vars(Place)
