"""The house rules that no linter knows: sizes, contracts, broad excepts, bounded shields."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
# The edges where any fault has to become an answer or a line in the log. Each is named here.
BROAD_EDGES = {
    "lingma_trio/agent/server.py:Door._welcome",  # a bug costs one connection of an agent's
    "lingma_trio/application.py:Application._live",  # a bug in the tree stops the server, which only a message can
    "lingma_trio/edge/connection.py:Connection.run",  # a bug costs one connection
    "lingma_trio/edge/guard.py:GuardedServer.run",  # the same under Hypercorn
    "lingma_trio/http/routes.py:Endpoint._serve",  # a bug costs one request
}
BROAD = {"Exception", "BaseException", "builtins.Exception", "builtins.BaseException"}
BOUNDED = {"trio.move_on_after", "trio.fail_after", "trio.move_on_at", "trio.fail_at"}

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Definition: TypeAlias = Function | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """A module of the package, or text that stands for one."""

    name: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


MODULES = [
    Module(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "lingma_trio").rglob("*.py"))
]
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


def definitions(body: list[ast.stmt], outer: str = "") -> Iterator[tuple[str, Definition]]:
    """Each function and class that a module's user can reach, with its dotted name."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from definitions([each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)], outer)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield outer + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from definitions(node.body, f"{outer}{node.name}.")


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def broad_excepts(tree: ast.AST) -> Iterator[ast.ExceptHandler]:
    """Handlers that catch everything, alone or as one of several kinds."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or ast.unparse(kind) in BROAD for kind in kinds):
                yield node


def enclosing_function(tree: ast.Module, inner: ast.AST) -> str:
    """The dotted name of the function around a node, or the empty string at a module's top."""
    around = [(name, node) for name, node in definitions(tree.body) if any(each is inner for each in ast.walk(node))]
    return around[-1][0] if around else ""


def broad_places(module: Module) -> set[str]:
    """Where a module catches everything, as `path:dotted name of the function`."""
    tree = module.tree
    return {f"{module.name}:{enclosing_function(tree, handler)}" for handler in broad_excepts(tree)}


def undocumented(module: Module) -> list[str]:
    tree = module.tree
    missing = [] if ast.get_docstring(tree) else ["the module itself"]
    for name, node in definitions(tree.body):
        public = not any(part.startswith("_") for part in name.split("."))
        overload = any(ast.unparse(each) in {"overload", "typing.overload"} for each in node.decorator_list)
        if public and not overload and not ast.get_docstring(node):
            missing.append(name)
    return missing


def unbounded_shields(tree: ast.AST) -> list[int]:
    """Lines of shields that are no argument of a scope with a deadline."""
    bounded = {
        id(keyword)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in BOUNDED
        for keyword in node.keywords
    }
    arguments = [
        node.value.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword)
        and node.arg == "shield"
        and not is_false(node.value)
        and id(node) not in bounded
    ]
    assigned = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "shield" and isinstance(node.ctx, ast.Store)
    ]
    return [*arguments, *assigned]


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@each_module
def test_module_fits_on_a_few_screens(module: Module) -> None:
    """A module is short enough to be read in one go."""
    assert len(module.text.splitlines()) <= LONGEST_MODULE


@each_module
def test_function_fits_on_a_screen(module: Module) -> None:
    """No function is longer than a screen."""
    assert not [
        f"{each.name}: {length(each)} lines" for each in functions(module.tree) if length(each) > LONGEST_FUNCTION
    ]


@each_module
def test_everything_public_has_a_contract(module: Module) -> None:
    """Each module, and each public class and function in it, says what it is for."""
    assert not undocumented(module)


@each_module
def test_annotations_are_not_evaluated(module: Module) -> None:
    """Each module with code in it postpones its annotations."""
    code = [node for node in module.tree.body if isinstance(node, ast.ImportFrom | Definition)]
    assert not code or "from __future__ import annotations" in module.text


@each_module
def test_nothing_is_caught_wholesale(module: Module) -> None:
    """Only the named edges catch every fault there is."""
    assert broad_places(module) <= BROAD_EDGES


@each_module
def test_every_shield_has_a_deadline(module: Module) -> None:
    """What cannot be cancelled ends by itself: a shield is an argument of a scope that times out."""
    assert not unbounded_shields(module.tree)


def test_edges_are_few_and_real() -> None:
    """The allowed edges are one for each thing a bug may cost, under either server, and each of them is there."""
    found = {place for module in MODULES for place in broad_places(module)}
    assert found == BROAD_EDGES
    assert len(BROAD_EDGES) <= 5


def test_every_test_states_its_promise() -> None:
    """Each test module and each test has a docstring."""
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    modules = [Module(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in paths]
    silent = [
        f"{module.name}: {node.name}"
        for module in modules
        for node in functions(module.tree)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert not [*silent, *(module.name for module in modules if not ast.get_docstring(module.tree))]


def test_tests_mirror_the_package() -> None:
    """Each directory of tests that bears a package's name tests modules of that package, file by file."""
    modules = {Path(module.name).relative_to("lingma_trio") for module in MODULES}
    packages = {path.parent for path in modules} - {Path()}
    stray = [
        str(path)
        for package in packages
        for path in sorted((ROOT / "tests" / package).glob("test_*.py"))
        if package / path.name.removeprefix("test_") not in modules
    ]
    assert not stray


def test_slow_tests_are_marked_where_they_stand() -> None:
    """`scripts/test` looks for them in the files of tests that have the mark: none gets it from elsewhere."""
    lent = [
        path.name
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if not path.name.startswith("test_") and re.search(r"\bmark\.(slow|alone)\b", path.read_text(encoding="utf-8"))
    ]
    assert not lent


BAD = '''
import trio
class Public:
    def method(self): pass
    def _hidden(self): pass
def handler():
    """Documented."""
    try: pass
    except (OSError, Exception): pass
    try: pass
    except: pass
    try: pass
    except* BaseException: pass
    with trio.CancelScope(shield=True): pass
    scope.shield = True
    with trio.move_on_after(1, shield=True): pass
    with trio.CancelScope(shield=False): pass
'''


def test_the_rules_can_fail() -> None:
    """Each search finds what it is there to find, and nothing beside it."""
    module = Module("bad.py", BAD)
    assert undocumented(module) == ["the module itself", "Public", "Public.method"]
    assert [handler.lineno for handler in broad_excepts(module.tree)] == [9, 11, 13]
    assert broad_places(module) == {"bad.py:handler"}
    assert unbounded_shields(module.tree) == [14, 15]
    assert [length(each) for each in functions(module.tree) if each.name == "handler"] == [12]
