"""Functions and files are short."""

from __future__ import annotations

import ast

from tests.layout.sources import CODE, FILES, ROOT, TESTS, nodes

Function = ast.FunctionDef | ast.AsyncFunctionDef
# A template of HTML, and a table of every kind of reply.
TEMPLATES_AND_TABLES = {
    "sandbox.threads.control_page.control_page",
    "tests.pages.test_replies.replies",
}


def length(function: Function) -> int:
    """Return the lines of a function, without those of the functions inside it, which count for themselves."""
    own = (function.end_lineno or 0) - function.lineno + 1
    inside = [node for node in ast.walk(function) if isinstance(node, Function) and node is not function]
    return own - sum(length(node) for node in inside)


def lengths(names: list[str]) -> dict[str, int]:
    return {
        f"{name}.{node.name}, line {node.lineno}": length(node)
        for name in names
        for node in nodes(name)
        if isinstance(node, Function) and f"{name}.{node.name}" not in TEMPLATES_AND_TABLES
    }


def test_half_of_the_functions_have_six_lines_and_nine_of_ten_sixteen() -> None:
    found = sorted(lengths(CODE).values())
    assert len(found) > 500
    assert found[len(found) // 2] <= 6
    assert found[len(found) * 9 // 10] <= 16


def test_no_function_is_longer_than_forty_lines() -> None:
    assert {name: lines for name, lines in lengths([*CODE, *TESTS]).items() if lines > 40} == {}


def test_no_file_is_too_long() -> None:
    limits = {name: 320 for name in CODE} | {name: 500 for name in TESTS}
    found = {name: len(FILES[name].read_text().splitlines()) for name in limits}
    assert {name: lines for name, lines in found.items() if lines > limits[name]} == {}
    scripts = {path: len(path.read_text().splitlines()) for path in [ROOT / "deploy.sh", *ROOT.glob("deploy/**/*.sh")]}
    assert {path: lines for path, lines in scripts.items() if lines > 280} == {}
