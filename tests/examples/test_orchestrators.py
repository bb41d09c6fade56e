"""Airflow and Dagster load the examples and run the sharded job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Example

# In one file: both take the same installed project.
pytestmark = pytest.mark.pipeline

OBSERVED = ("observe-phoneiq", "observe-salesforce-contacts", "observe-salesforce-leads")
TO_PHONEIQ = ("write-phoneiq-1", "write-phoneiq-2")
TO_SALESFORCE = ("write-salesforce-1", "write-salesforce-2")
AGAIN = ("observe-phoneiq-again",)

GRAPH: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(OBSERVED, ()),
    **dict.fromkeys(TO_PHONEIQ, OBSERVED),
    **dict.fromkeys(AGAIN, TO_PHONEIQ),
    **dict.fromkeys(TO_SALESFORCE, AGAIN),
}
"""What has to end before each task begins: no shard waits for another one of its side."""

AIRFLOW = """
import json
from airflow.dag_processing.dagbag import DagBag

found = DagBag("examples/airflow/dags")
(dag,) = found.dags.values()
tasks = {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks}
print(json.dumps([found.import_errors, tasks]))
"""

DAGSTER = """
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


def test_airflow_runs_the_sharded_job(example: Callable[[str], Example]) -> None:
    airflow = example("airflow")
    airflow.meltano("invoke", "airflow:initialize")
    errors, tasks = airflow.python(AIRFLOW)
    assert errors == {}
    assert tasks == {task: [*before] for task, before in GRAPH.items()}

    log = airflow.meltano("invoke", "airflow", "dags", "test", "contact-sync")
    assert "state=success" in log
    airflow.everybody_is_everywhere(log)


@pytest.mark.nightly
def test_dagster_runs_the_sharded_job(example: Callable[[str], Example]) -> None:
    dagster = example("dagster")
    ops = dagster.python(DAGSTER)
    assert ops == {
        task.replace("-", "_"): [name.replace("-", "_") for name in before]
        for task, before in GRAPH.items()
    }

    file = "examples/dagster/contact_sync.py"
    log = dagster.meltano("invoke", "dagster", "job", "execute", "-f", file, "-j", "contact_sync")
    assert "RUN_SUCCESS" in log
    dagster.everybody_is_everywhere(log)
