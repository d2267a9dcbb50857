"""Single changes: each kind is found once, where it stands, and what no test holds is left alone."""

from __future__ import annotations

import pytest

from tests.mutants.changes import changes


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("self.call(x)", ["pass"]),
        ("await wait()", ["pass"]),
        ("self.kept = x", ["pass"]),
        ("kept[x] = y", ["pass"]),
        ("del kept[x]", ["pass"]),
        ("del kept", []),
        ("raise failure", ["pass"]),
        ("count += 1", ["pass", "count -= 1", "count += 2"]),
        ("return", ["pass"]),
        ("return x", ["return None"]),
        ("x = 1 < y", ["x = 2 < y", "x = 1 <= y"]),
        ("x = y is  not None", ["x = y is None"]),
        ("x = y not in z", ["x = y in z"]),
        ("x = (y) and (z)", ["x = (y) or (z)"]),
        ("x = y // z", ["x = y * z"]),
        ("x = not y", ["x = bool(y)"]),
        ("x = y if z else w", ["x = y if (not (z)) else w"]),
        ("x = [y for y in z if y]", ["x = [y for y in z if (not (y))]"]),
        ("x = y[a:b]", ["x = y[(a) + 1:b]", "x = y[a:(b) + 1]"]),
        ("x = True, 1.5, 'y', b'y'", ["False, 1.5", "True, 2.5", "'XXy', b", "b'XXy'"]),
        ("if x: pass", ["if (not (x)): pass"]),
        ("if x == y: pass", ["if x != y: pass"]),
        ("while not x: pass", ["while bool(x): pass"]),
        ("match x:\n  case 'a' if y: pass", ["case 'XXa' if y", "case 'a' if (not (y))"]),
    ],
)
def test_each_kind_is_found_where_it_stands(statement: str, changed: list[str]) -> None:
    """A statement has exactly these changes, each of which leaves the rest of the module as it is."""
    lines = [f"    {each}" for each in statement.split("\n")]
    source = "\n".join(["# \u00e9", "async def f():", *lines, "    await last"]).encode()
    texts = [each.of(source).decode() for each in changes(source)]
    assert len(texts) == len(changed)
    for text in texts:
        assert text.startswith("# \u00e9\nasync def f():\n")
        assert text.endswith("\n    await last")
    for expected in changed:
        assert sum(expected in text for text in texts) == 1


LEFT_ALONE = '''
"""Words for people."""
from __future__ import annotations
__all__ = ["x"]
BOUND: Final = -32 * 1024
Kind: TypeAlias = Literal["x", "y"]
if TYPE_CHECKING:
    from x import y
class A:
    """Words."""
    field: Literal["a"]
    @held(True)
    def f(self, x: Literal[1] = ...) -> Literal["b"]:
        """Words."""
        log.info("event", count=1)
        assert x > 1
        start(f, name="a task") if self else f"{x + 1} words"
    def __repr__(self):
        return "A"
'''


def test_words_for_people_and_types_are_left_alone() -> None:
    """Docstrings, types, decorators, assertions, logs, named numbers and texts put together are no place for one."""
    source = LEFT_ALONE.encode()
    assert [source[each.start : each.end].decode() for each in changes(source)] == ["self"]


def test_a_change_knows_its_statement_and_its_function() -> None:
    """The lines are a statement's own without its blocks; the function is the outermost, from its first decorator."""
    source = b"A = 1, x\n@held\ndef f():\n    def g():\n        if (x and\n            y):\n            return 1\n"
    assert {(each.what, each.first, each.last, each.function) for each in changes(source)} == {
        ("constant", 1, 1, 0),
        ("negated", 5, 6, 2),
        ("operator", 5, 6, 2),
        ("constant", 7, 7, 2),
        ("nothing returned", 7, 7, 2),
    }


def test_what_does_not_compile_is_no_change() -> None:
    """A pattern is made wrong only so that it still is one."""
    assert [each.new for each in changes(b"match x:\n    case -1:\n        pass\n")] == ["2"]
