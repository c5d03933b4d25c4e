"""No import of the repository runs in a circle, and no module hides one of the standard library's."""

from __future__ import annotations

import sys
from graphlib import CycleError, TopologicalSorter

from tests.layout.sources import FILES, imports


def test_no_import_of_the_repository_runs_in_a_circle() -> None:
    graph = {name: imports(name) for name in FILES}
    assert len(graph) > 100
    assert "token_keeper.clock" in graph["tests.conftest"]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" → ".join(error.args[1])) from None


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    assert [name for name in FILES if name.rpartition(".")[2] in sys.stdlib_module_names] == []
