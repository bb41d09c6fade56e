"""The Dagster example: Dagster loads its job and runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.examples.graph import GRAPH

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Example

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(900)]

LOAD = """
import json, runpy

definitions = runpy.run_path("examples/dagster/contact_sync.py")["defs"]
nodes = definitions.get_job_def("contact_sync").graph.dependencies
print(json.dumps({
    node.alias or node.name: sorted(
        before for inputs in needs.values() for before in
        (each.node for each in inputs.get_node_dependencies())
    )
    for node, needs in nodes.items()
}))
"""


def test_dagster_runs_the_sharded_job(example: Callable[[str], Example]) -> None:
    dagster = example("dagster")
    ops = dagster.python(LOAD)
    named = {task: [*before] for task, before in GRAPH.items()}
    assert ops == {
        task.replace("-", "_"): [name.replace("-", "_") for name in before]
        for task, before in named.items()
    }

    file = "examples/dagster/contact_sync.py"
    log = dagster.meltano("invoke", "dagster", "job", "execute", "-f", file, "-j", "contact_sync")
    assert "RUN_SUCCESS" in log
    dagster.everybody_is_everywhere()
