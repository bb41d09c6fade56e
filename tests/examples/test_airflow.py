"""The Airflow example: Airflow loads its DAG and runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.examples.graph import GRAPH

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Example

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(900)]

LOAD = """
import json
from airflow.dag_processing.dagbag import DagBag

found = DagBag("examples/airflow/dags")
(dag,) = found.dags.values()
tasks = {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks}
print(json.dumps([found.import_errors, tasks]))
"""


def test_airflow_runs_the_sharded_job(example: Callable[[str], Example]) -> None:
    airflow = example("airflow")
    airflow.meltano("invoke", "airflow:initialize")
    errors, tasks = airflow.python(LOAD)
    assert errors == {}
    assert tasks == {task: [*before] for task, before in GRAPH.items()}

    log = airflow.meltano("invoke", "airflow", "dags", "test", "contact-sync")
    assert "state=success" in log
    airflow.everybody_is_everywhere()
