"""Every Python file of the repository, parsed when a test asks for it, by its module name."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("token_keeper", "sandbox", "soak", "bench", "fuzz", "tests")


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


_PATHS = [ROOT / "main.py", *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))]
FILES = {_name(path): path for path in _PATHS if "node_modules" not in path.parts}
CODE = [name for name in FILES if name.partition(".")[0] != "tests"]
TESTS = [name for name in FILES if name.partition(".")[0] == "tests"]


@cache
def nodes(name: str) -> list[ast.AST]:
    """Return every node of a module's syntax tree."""
    return list(ast.walk(ast.parse(FILES[name].read_text())))


def imports(name: str) -> set[str]:
    """Return the repository's modules that this one imports, also inside functions and for types only."""
    found: set[str] = set()
    for node in nodes(name):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules = {full for alias in node.names if (full := f"{node.module}.{alias.name}") in FILES}
            found |= modules if len(modules) == len(node.names) else modules | {str(node.module)}
    return found & FILES.keys()
