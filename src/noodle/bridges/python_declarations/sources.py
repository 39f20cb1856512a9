"""Python modules read from their files: nothing of them is imported or run.

A package's types stand in ``.pyi`` files of its own or of a ``-stubs`` package; those of Python's
own modules come with mypy, where that is installed. Else the module's source is read.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["Binding", "PythonSource", "PythonSources"]

_DEEPEST = 12
"""Chosen: over how many modules a name is followed."""

_DYNAMIC = ("__getattr__", "globals()", "sys.modules[__name__]", "vars()", "exec(", "setattr(")
"""What a module whose names are not all written down has in its text."""

_UNREADABLE = (OSError, SyntaxError, ValueError, RecursionError)

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(slots=True)
class Binding:
    """What a name of a module is.

    Args:
        kind: ``function``, ``class``, ``import`` or ``value``.
        nodes: The definitions: of an overloaded function there are several.
        module: The module that an import names.
        original: The name in that module; ``""`` for the module itself.
        public: Whether the module passes it on, where it is imported.
    """

    kind: str
    nodes: list[ast.stmt] = field(default_factory=list)
    module: str = ""
    original: str = ""
    public: bool = True


class PythonSource:
    """One module's file.

    Args:
        name: The module's full name.
        path: Its file.
        typed: Whether type checkers read it too, by its name.
    """

    def __init__(self, name: str, path: Path, *, typed: bool) -> None:
        self.name = name
        self.path = path
        self.typed = typed
        self.bindings: dict[str, Binding] = {}
        self.stars: list[str] = []
        self._text = path.read_text(encoding="utf-8", errors="replace")
        self.tree = ast.parse(self._text)
        self._walk(self.tree.body)

    @property
    def is_package(self) -> bool:
        """Whether it has modules within it."""
        return self.path.stem == "__init__"

    @property
    def shown(self) -> str:
        """Its file, for people."""
        folder = f"{self.path.parent.name}/" if self.is_package else ""
        return f"{folder}{self.path.name}" + (
            " of typeshed" if "typeshed" in self.path.parts else ""
        )

    @property
    def documentation(self) -> str:
        """Its docstring, or ``""``."""
        return ast.get_docstring(self.tree) or ""

    @property
    def dynamic(self) -> bool:
        """Whether it may have names that its text does not show."""
        if "__getattr__" in self.bindings:
            return True
        return self.path.suffix == ".py" and any(sign in self._text for sign in _DYNAMIC)

    @cached_property
    def exported(self) -> list[str] | None:
        """What ``__all__`` lists; None where it does not stand there plainly."""
        found: list[str] | None = None
        for node in self.tree.body:
            target = _target(node)
            if target != "__all__":
                continue
            value = getattr(node, "value", None)
            try:
                listed = ast.literal_eval(value) if value is not None else None
            except ValueError:
                return None
            if not isinstance(listed, (list, tuple)) or not all(isinstance(x, str) for x in listed):
                return None
            found = [*(found or ()), *listed] if isinstance(node, ast.AugAssign) else [*listed]
        return found

    def _walk(self, statements: Sequence[ast.stmt]) -> None:
        for node in statements:
            if isinstance(node, _FUNCTIONS):
                known = self.bindings.get(node.name)
                nodes = (
                    known.nodes if known and known.kind == "function" and _overloads(known) else []
                )
                self.bindings[node.name] = Binding("function", [*nodes, node])
            elif isinstance(node, ast.ClassDef):
                self.bindings[node.name] = Binding("class", [node])
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node)
            elif isinstance(node, ast.If):
                for branch in _taken(node):
                    self._walk(branch)
            elif isinstance(node, ast.Try):
                for block in (node.body, *(h.body for h in node.handlers), node.orelse):
                    self._walk(block)
            elif isinstance(node, (ast.With, ast.For, ast.While)):
                self._names_of(node)
                self._walk(node.body)
            else:
                self._assignment(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        stub = self.path.suffix == ".pyi"
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        for alias in node.names:
            again = alias.asname == alias.name if stub else relative
            if isinstance(node, ast.Import):
                name = alias.asname or alias.name.partition(".")[0]
                module = alias.name if alias.asname else name
                self.bindings[name] = Binding("import", [node], module, public=again)
                continue
            module = self._absolute(node)
            if alias.name == "*":
                self.stars.append(module)
                continue
            name = alias.asname or alias.name
            again = again or (stub and node.level == 1 and not node.module)
            self.bindings[name] = Binding("import", [node], module, alias.name, public=again)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        above = node.level - (1 if self.is_package else 0)
        kept = parts[: len(parts) - above] if above else parts
        return ".".join([*kept, *([node.module] if node.module else [])])

    def _assignment(self, node: ast.stmt) -> None:
        target = _target(node)
        if target:
            self.bindings[target] = Binding("value", [node])
        else:
            self._names_of(node)

    def _names_of(self, node: ast.stmt) -> None:
        """Take down the names that a statement of another kind may assign to."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                self.bindings.setdefault(part.id, Binding("value"))


def _target(node: ast.stmt) -> str:
    """Return the plain name that a statement assigns to, or ``""``."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        target = node.target
    else:
        return ""
    return target.id if isinstance(target, ast.Name) else ""


def _overloads(binding: Binding) -> bool:
    node = binding.nodes[-1]
    decorators = node.decorator_list if isinstance(node, _FUNCTIONS) else []
    return any(ast.unparse(one).rpartition(".")[2] == "overload" for one in decorators)


def _taken(node: ast.If) -> list[list[ast.stmt]]:
    """Return the branches that this interpreter may take."""
    known = _truth(node.test)
    if known is None:
        return [node.body, node.orelse]
    return [node.body if known else node.orelse]


def _truth(test: ast.expr) -> bool | None:
    text = ast.unparse(test)
    if text.rpartition(".")[2] == "TYPE_CHECKING":
        return True
    if isinstance(test, ast.BoolOp):
        parts = [_truth(value) for value in test.values]
        wanted = isinstance(test.op, ast.Or)
        if wanted in parts:
            return wanted
        return None if None in parts else not wanted
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    left = {"sys.version_info": sys.version_info[:2], "sys.platform": sys.platform}
    known = left.get(ast.unparse(test.left))
    try:
        right = ast.literal_eval(test.comparators[0])
    except ValueError:
        return None
    if known is None or type(right) is not type(known):
        return None
    return _compared(test.ops[0], known, right)


def _compared(operator: ast.cmpop, left: object, right: object) -> bool | None:
    if isinstance(operator, ast.Eq):
        return left == right
    if isinstance(operator, ast.NotEq):
        return left != right
    if isinstance(left, tuple) and isinstance(right, tuple):
        if isinstance(operator, ast.GtE):
            return left >= right
        if isinstance(operator, ast.Lt):
            return left < right
    return None


class PythonSources:
    """The modules that an interpreter finds, by name.

    Args:
        search_path: Where modules are looked for; that of this process by default.
        typed: Whether type checkers find the modules there by their names.
    """

    def __init__(self, search_path: Sequence[str] | None = None, *, typed: bool = True) -> None:
        self._search_path = list(sys.path if search_path is None else search_path)
        self._typed = typed
        self._known: dict[str, PythonSource | None] = {}
        self._typeshed = _typeshed()

    def module(self, name: str) -> PythonSource | None:
        """Return a module's file, or None where there is none that can be read."""
        if name not in self._known:
            self._known[name] = None
            found = self._found(name)
            with suppress(*_UNREADABLE):
                self._known[name] = found and PythonSource(name, found[0], typed=found[1])
        return self._known[name]

    def add(self, name: str, path: Path) -> PythonSource | None:
        """Read a file that is a module of its own."""
        try:
            self._known[name] = PythonSource(name, path, typed=False)
        except _UNREADABLE:
            self._known[name] = None
        return self._known[name]

    def _found(self, name: str) -> tuple[Path, bool] | None:
        top, *inner = name.split(".")
        if top in sys.stdlib_module_names:
            typeshed = self._typeshed
            has = typeshed is not None and _is_known(typeshed, name)
            path = _within(typeshed, [top, *inner], (".pyi",)) if typeshed and has else None
            return (path, True) if path else self._installed(top, inner, typed=True)
        for folder in self._search_path:
            path = _within(Path(folder, f"{top}-stubs"), inner, (".pyi",))
            if path:
                return path, self._typed
        return self._installed(top, inner, typed=False)

    def _installed(self, top: str, inner: list[str], *, typed: bool) -> tuple[Path, bool] | None:
        try:
            spec = PathFinder.find_spec(top, self._search_path)
        except (ImportError, ValueError):
            return None
        if spec is None or spec.origin is None:
            return None
        if spec.submodule_search_locations is None:
            path = None if inner else _within(Path(spec.origin).parent, [top], (".pyi", ".py"))
        else:
            path = _within(Path(spec.origin).parent, inner, (".pyi", ".py"))
            typed = typed or Path(spec.origin).with_name("py.typed").exists()
        is_typed = top in sys.stdlib_module_names or self._typed
        return None if path is None else (path, is_typed and (typed or path.suffix == ".pyi"))

    def submodules(self, name: str) -> list[str]:
        """Return the names of the public modules within a package."""
        import pkgutil

        source = self.module(name)
        if source is None or not source.is_package:
            return []
        found = {module.name for module in pkgutil.iter_modules([str(source.path.parent)])}
        stubs = {p.stem for p in source.path.parent.glob("*.pyi")} - {"__init__"}
        return sorted(one for one in found | stubs if not one.startswith("_"))

    def lookup(self, module: str, name: str, depth: int = 0) -> tuple[PythonSource, Binding] | None:
        """Return what a name of a module is in the end, and where that stands; None if unknown."""
        source = self.module(module) if depth < _DEEPEST else None
        if source is None:
            return None
        binding = source.bindings.get(name)
        if binding is None:
            found = (self.lookup(star, name, depth + 1) for star in source.stars)
            return next(filter(None, found), None)
        if binding.kind != "import" or not binding.original:
            return source, binding
        return self.lookup(binding.module, binding.original, depth + 1) or (source, binding)

    def names(self, module: str, depth: int = 0) -> Iterator[str]:
        """Yield all names that a module is seen to have, those from ``import *`` included."""
        source = self.module(module) if depth < _DEEPEST else None
        if source is None:
            return
        yield from source.bindings
        for star in source.stars:
            inner = self.module(star)
            listed = inner.exported if inner else None
            if listed is not None:
                yield from listed
            else:
                yield from (n for n in self.names(star, depth + 1) if not n.startswith("_"))

    def names_of_code(self, module: str) -> set[str]:
        """Return the names that a module's code has, where its types stand in another file."""
        source = self.module(module)
        if source is None or source.path.suffix == ".py":
            return set()
        path = source.path.with_suffix(".py")
        try:
            return set(PythonSource(module, path, typed=True).bindings)
        except _UNREADABLE:
            return set()

    def complete(self, module: str, depth: int = 0) -> bool:
        """Return whether ``names`` has all names of a module."""
        source = self.module(module)
        if source is None or depth >= _DEEPEST or source.dynamic:
            return False
        return all(self.complete(star, depth + 1) for star in source.stars)


def _within(folder: Path, inner: Sequence[str], suffixes: Sequence[str]) -> Path | None:
    """Return the file of a module within a folder."""
    *packages, last = inner or ["__init__"]
    base = folder.joinpath(*packages)
    for suffix in suffixes:
        for path in (base / last / f"__init__{suffix}", base / f"{last}{suffix}"):
            if path.is_file():
                return path
    return None


def _is_known(typeshed: Path, module: str) -> bool:
    """Return whether this version of Python has a module of its own."""
    first, last = _versions(typeshed).get(module, ((3, 0), (4, 0)))
    return first <= sys.version_info[:2] <= last


@cache
def _versions(typeshed: Path) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    found: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for line in (typeshed / "VERSIONS").read_text(encoding="utf-8").splitlines():
        match = re.match(r"([\w.]+): 3\.(\d+)-(?:3\.(\d+))?", line)
        if match:
            found[match[1]] = ((3, int(match[2])), (3, int(match[3] or 999)))
    return found


def _typeshed() -> Path | None:
    """Return the folder of types of Python's own modules that mypy brings, or None."""
    spec = PathFinder.find_spec("mypy")
    folder = Path(spec.origin).with_name("typeshed") / "stdlib" if spec and spec.origin else None
    return folder if folder and folder.is_dir() else None
