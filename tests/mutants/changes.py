"""What a single change of a module is: every place where one word of it can be made wrong, and the text it then has.

Knows Python's syntax and nothing of files, tests or this package. Left alone is what no test is asked to hold: words
for people (a docstring, a text with a blank in it, what is logged, a name or a reason given by keyword, a `__repr__`),
types, decorators, assertions, and a number or a text that a module gives a name, since tests go by the name.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OTHER = {
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "is": "is not",
    "is not": "is",
    "in": "not in",
    "not in": "in",
    "and": "or",
    "or": "and",
    "+": "-",
    "-": "+",
    "*": "//",
    "/": "*",
    "//": "*",
    "%": "*",
    "|": "&",
    "&": "|",
    "<<": ">>",
    ">>": "<<",
}
"""What stands in an operator's place: its opposite, or the one that differs where both sides are alike."""
OPERATOR = re.compile(rb"\b(?:is\s+not|not\s+in|is|in|and|or)\b|<<|>>|//|[<>=!]=|[<>+\-*/%|&]")

FOR_PEOPLE = {"name", "reason"}
"""Keywords whose text people read, in a tree of tasks or a log."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Bytes `start` to `end` of a module become `new`, in the statement on the lines `first` to `last`.

    `function` is the first line, decorators included, of the outermost function round it; zero where there is none, so
    that the module has to be imported anew.
    """

    what: str
    start: int
    end: int
    new: str
    first: int
    last: int
    function: int

    def of(self, source: bytes) -> bytes:
        """The module with this change."""
        return source[: self.start] + self.new.encode() + source[self.end :]


def changes(source: bytes) -> list[Change]:
    """Every single change of a module that still compiles, in the order of their places."""
    found = _Walk(source)
    found.statements(ast.parse(source).body)
    unique = {(each.start, each.end, each.new): each for each in found.changes}
    return [change for _, change in sorted(unique.items()) if _compiles(change.of(source))]


def _compiles(source: bytes) -> bool:
    try:
        compile(source, "changed", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


class _Walk:
    """Goes through a module and notes changes; knows the statement and the outermost function it is in."""

    def __init__(self, source: bytes) -> None:
        self.changes: list[Change] = []
        self._source = source
        self._lines = [0, *(found.end() for found in re.finditer(b"\n", source))]
        self._function = 0
        self._statement = (0, 0)

    def statements(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, Function):
                if statement.name != "__repr__":
                    self._inside(statement)
            elif not _left_alone(statement) and (self._function or not _named(statement)):
                self._statement = (statement.lineno, _header_end(statement))
                self._of_statement(statement)
                for each in _without_annotation(statement):
                    self._expressions(each)
                for block in _blocks(statement):
                    self.statements(block)

    def _inside(self, function: Function) -> None:
        outer = self._function
        self._function = outer or min(each.lineno for each in (function, *function.decorator_list))
        self.statements(function.body)
        self._function = outer

    def _of_statement(self, statement: ast.stmt) -> None:
        match statement:
            case (
                ast.Expr(value=ast.Call() | ast.Await(value=ast.Call()))
                | ast.Delete(targets=[ast.Attribute() | ast.Subscript()])
                | ast.Raise()
                | ast.Return(value=None)
                | ast.Assign(targets=[ast.Attribute() | ast.Subscript()])
            ):
                self._note("removed", statement, "pass")
            case ast.AugAssign(target=target, value=value):
                self._note("removed", statement, "pass")
                self._operator(target, value)
            case ast.Return(value=ast.expr() as value) if not _is(value, None):
                self._note("nothing returned", value, "None")
            case ast.If(test=test) | ast.While(test=test):
                self._negated(test)

    def _expressions(self, node: ast.AST) -> None:
        match node:
            case ast.JoinedStr() | ast.Subscript(value=ast.Name(id="Literal")):
                return
            case ast.keyword(arg=name) if name in FOR_PEOPLE:
                return
        self._of_expression(node)
        self._of_condition(node)
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.stmt):
                self._expressions(child)

    def _of_expression(self, node: ast.AST) -> None:
        match node:
            case ast.Constant():
                self._constant(node)
            case ast.Compare(left=left, comparators=[right, *_]) | ast.BinOp(left=left, right=right):
                self._operator(left, right)
            case ast.BoolOp(values=values):
                for left, right in pairwise(values):
                    self._operator(left, right)
            case ast.Slice(lower=lower, upper=upper):
                for bound in (lower, upper):
                    if bound is not None and not isinstance(bound, ast.Constant):
                        self._note("one further", bound, f"({self._text(bound)}) + 1")

    def _of_condition(self, node: ast.AST) -> None:
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._note("negated", node, f"bool({self._text(operand)})")
            case ast.IfExp(test=test) | ast.match_case(guard=ast.expr() as test):
                self._negated(test)
            case ast.comprehension(ifs=ifs):
                for test in ifs:
                    self._negated(test)

    def _constant(self, node: ast.Constant) -> None:
        match node.value:
            case bool(value):
                self._note("constant", node, repr(not value))
            case int(value) | float(value):
                self._note("constant", node, repr(value + 1))
            case str(value) if " " not in value and value.isascii():
                self._note("constant", node, repr("XX" + value))
            case bytes(value):
                self._note("constant", node, repr(b"XX" + value))

    def _negated(self, test: ast.expr) -> None:
        opposite = isinstance(test, ast.Compare) and isinstance(
            test.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot | ast.In
        )
        if not opposite and not (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)):
            self._note("negated", test, f"(not ({self._text(test)}))")

    def _operator(self, left: ast.expr, right: ast.expr) -> None:
        begin = self._end(left)
        if found := OPERATOR.search(self._source, begin, self._start(right)):
            old = " ".join(found[0].decode().split())
            self._add("operator", found.start(), found.end(), OTHER.get(old, old))

    def _note(self, what: str, node: ast.AST, new: str) -> None:
        self._add(what, self._start(node), self._end(node), new)

    def _add(self, what: str, start: int, end: int, new: str) -> None:
        if self._source[start:end] != new.encode():
            first, last = self._statement
            self.changes.append(
                Change(what=what, start=start, end=end, new=new, first=first, last=last, function=self._function)
            )

    def _start(self, node: ast.AST) -> int:
        assert isinstance(node, ast.expr | ast.stmt | ast.pattern)
        return self._lines[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.AST) -> int:
        assert isinstance(node, ast.expr | ast.stmt | ast.pattern)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._lines[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.AST) -> str:
        return self._source[self._start(node) : self._end(node)].decode()


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _left_alone(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assert() | ast.Import() | ast.ImportFrom() | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=ast.Constant() | ast.Call(func=ast.Attribute(value=ast.Name(id="log")))):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            return True
    return False


def _named(statement: ast.stmt) -> bool:
    """Whether a module or a class gives a number or a text a name in capitals."""
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value)
        ):
            alone = ast.Constant | ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop
            return name.isupper() and value is not None and all(isinstance(each, alone) for each in ast.walk(value))
    return False


def _without_annotation(statement: ast.stmt) -> Iterator[ast.AST]:
    """What a statement evaluates itself, without its blocks, its decorators and its types."""
    if isinstance(statement, ast.ClassDef):
        return
    for field, value in ast.iter_fields(statement):
        if field not in {"annotation", "body", "orelse", "finalbody", "handlers"}:
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, ast.AST) and not isinstance(each, ast.operator):
                    yield each


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        yield getattr(statement, field, [])
    for each in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield each.body


def _header_end(statement: ast.stmt) -> int:
    """A statement's last line before its first block."""
    inner = [block[0].lineno for block in _blocks(statement) if block]
    end = statement.end_lineno or statement.lineno
    return max(statement.lineno, min(inner) - 1) if inner else end
