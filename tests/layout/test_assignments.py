"""Nobody sets what belongs to another module: what differs between uses is an argument.

Tests may set the environment, and the clock, for which the functions have no setting.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.layout.sources import CODE, FILES, TESTS, nodes

# These exist to be set by whoever runs the process or the app.
PROCESS = ("os.environ", "sys.", "logging.", "flask.current_app.")
CLOCK = ("token_keeper.clock.now", "time.monotonic", "time.sleep")
SETTERS = {"setattr", "delattr", "setitem", "delitem", "patch", "object"}  # mock.patch.object


def imported(name: str) -> dict[str, str]:
    """Return the full name of everything that this module imports, by its local name."""
    found = {}
    for node in nodes(name):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0]: alias.asname and alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {local: full or local for local, full in found.items()}


def assigned(node: ast.AST) -> Iterator[ast.expr]:
    """Return what an assignment, a deletion or a call like monkeypatch.setattr sets."""
    if isinstance(node, ast.Assign | ast.Delete):
        for target in node.targets:
            yield from target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        yield node.target
    elif isinstance(node, ast.Call) and node.args and called(node.func) in SETTERS:
        owner, *rest = node.args
        if isinstance(owner, ast.Constant):
            yield ast.parse(str(owner.value), mode="eval").body
        elif rest and isinstance(rest[0], ast.Constant):
            yield ast.Attribute(owner, str(rest[0].value))


def called(function: ast.expr) -> str:
    """Return the last name of a function that is called."""
    return getattr(function, "attr", "") or getattr(function, "id", "")


def root(target: ast.expr) -> str:
    """Return the name that an attribute or item is reached from."""
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else ""


def set_from_outside(name: str) -> list[str]:
    """Return the imported things of which this module sets an attribute or an item."""
    known = imported(name) | {module: module for module in FILES if "." not in module}
    targets = [target for node in nodes(name) for target in assigned(node) if not isinstance(target, ast.Name)]
    return [known[root(one)] + ast.unparse(one).removeprefix(root(one)) for one in targets if root(one) in known]


def offenders(names: list[str], *allowed: str) -> dict[str, list[str]]:
    found = {name: [one for one in set_from_outside(name) if not one.startswith(allowed)] for name in names}
    return {name: sets for name, sets in found.items() if sets}


def test_no_module_sets_what_belongs_to_another() -> None:
    assert offenders(CODE, *PROCESS) == {}


def test_tests_set_the_clock_and_the_environment_only() -> None:
    assert offenders(TESTS, *PROCESS, *CLOCK) == {}


def test_nobody_reaches_the_names_of_a_module_through_a_function() -> None:
    attributes = {(name, node.attr) for name in FILES for node in nodes(name) if isinstance(node, ast.Attribute)}
    assert len(attributes) > 1000
    assert {name for name, attribute in attributes if attribute == "__globals__"} == set()
