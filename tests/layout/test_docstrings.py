"""Docstrings use the plain words of other Python projects."""

from __future__ import annotations

import ast

from tests.layout.sources import FILES, nodes

DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
UNUSUAL = {"Give", "Gives", "Tell", "Tells", "Let", "Lets"}


def test_no_docstring_begins_with_give_tell_or_let() -> None:
    documented = [(name, node) for name in FILES for node in nodes(name) if isinstance(node, DOCUMENTED)]
    texts = [(name, text) for name, node in documented if (text := ast.get_docstring(node))]
    assert len(texts) > 400
    assert [f"{name}: {text.splitlines()[0]}" for name, text in texts if text.split()[0] in UNUSUAL] == []
