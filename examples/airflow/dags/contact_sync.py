"""The contact sync with several workers as an Airflow DAG; a task is one `meltano run`."""

import os
from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, chain_linear

SHARDS = int(os.environ.get("CONTACT_SYNC_SHARDS", "4"))
"""How many tasks write to one side at the same time."""

RETRIES = int(os.environ.get("CONTACT_SYNC_RETRIES", "2"))


def meltano_run(task_id: str, blocks: str, **env: str) -> BashOperator:
    """A task that runs blocks of the project, with variables added to the worker's own."""
    return BashOperator(
        task_id=task_id,
        bash_command=f"meltano run {blocks}",
        cwd=os.environ["MELTANO_PROJECT_ROOT"],
        env=env,
        append_env=True,
    )


def observe_phoneiq(task_id: str) -> BashOperator:
    """Reads PhoneIQ into the ledger."""
    return meltano_run(task_id, "tap-phoneiq observe-phoneiq target-phoneiq")


def observe_salesforce(name: str, streams: str) -> BashOperator:
    """Reads some of Salesforce's streams into the ledger; the bookmarks are this task's own."""
    return meltano_run(
        f"observe-salesforce-{name}",
        f"--state-id-suffix={name} tap-salesforce observe-salesforce target-phoneiq",
        TAP_SALESFORCE__SELECT_FILTER=streams,
    )


def write(side: str) -> list[BashOperator]:
    """Writes to one side what the ledger says it lacks, in parts that have no contact in common."""
    return [
        meltano_run(
            f"write-{side}-{k}",
            f"--state-id-suffix={k}of{SHARDS} tap-contact-sync-to-{side} target-{side}",
            TAP_CONTACT_SYNC_SHARD=f"{k}/{SHARDS}",
        )
        for k in range(1, SHARDS + 1)
    ]


with DAG(
    "contact-sync",
    schedule=timedelta(minutes=15),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={
        # Longer than Meltano takes to let go of a run that was killed.
        "retries": RETRIES,
        "retry_delay": timedelta(minutes=6),
        "execution_timeout": timedelta(hours=2),
    },
):
    chain_linear(
        [
            observe_phoneiq("observe-phoneiq"),
            observe_salesforce("contacts", '["Account", "Contact"]'),
            observe_salesforce("leads", '["Lead"]'),
        ],
        write("phoneiq"),
        observe_phoneiq("observe-phoneiq-again"),
        write("salesforce"),
    )
