"""The contact sync with several workers as a Dagster job; an op is one `meltano run`."""

import os

from dagster import (
    DefaultScheduleStatus,
    Definitions,
    RetryPolicy,
    ScheduleDefinition,
    job,
)
from dagster_meltano import meltano_command_op, meltano_resource

SHARDS = int(os.environ.get("CONTACT_SYNC_SHARDS", "4"))
"""How many ops write to one side at the same time."""

RETRIES = int(os.environ.get("CONTACT_SYNC_RETRIES", "2"))

# Longer than Meltano takes to let go of a run that was killed.
PATIENCE = RetryPolicy(max_retries=RETRIES, delay=360)


def meltano_run(name, blocks, after=(), **env):
    """An op that runs blocks of the project, with variables added to the worker's own."""
    op = meltano_command_op(f"run {blocks}", f"{name}_op").configured({"env": env}, name=name)
    return op.with_retry_policy(PATIENCE)(after=list(after))


def observe_phoneiq(name, after=()):
    """Reads PhoneIQ into the ledger."""
    return meltano_run(name, "tap-phoneiq observe-phoneiq target-phoneiq", after)


def observe_salesforce(name, streams):
    """Reads some of Salesforce's streams into the ledger; the bookmarks are this op's own."""
    return meltano_run(
        f"observe_salesforce_{name}",
        f"--state-id-suffix={name} tap-salesforce observe-salesforce target-phoneiq",
        TAP_SALESFORCE__SELECT_FILTER=streams,
    )


def write(side, after):
    """Writes to one side what the ledger says it lacks, in parts that have no contact in common."""
    return [
        meltano_run(
            f"write_{side}_{k}",
            f"--state-id-suffix={k}of{SHARDS} tap-contact-sync-to-{side} target-{side}",
            after,
            TAP_CONTACT_SYNC_SHARD=f"{k}/{SHARDS}",
        )
        for k in range(1, SHARDS + 1)
    ]


# `dagster/max_runtime` (seconds) needs `run_monitoring` in dagster.yaml.
@job(resource_defs={"meltano": meltano_resource}, tags={"dagster/max_runtime": 7200})
def contact_sync():
    """Reads both sides, writes to PhoneIQ, reads PhoneIQ again, writes to Salesforce."""
    observed = [
        observe_phoneiq("observe_phoneiq"),
        observe_salesforce("contacts", '["Account", "Contact"]'),
        observe_salesforce("leads", '["Lead"]'),
    ]
    written = write("phoneiq", after=observed)
    write("salesforce", after=[observe_phoneiq("observe_phoneiq_again", after=written)])


defs = Definitions(
    jobs=[contact_sync],
    schedules=[
        ScheduleDefinition(
            job=contact_sync,
            cron_schedule="*/15 * * * *",
            default_status=DefaultScheduleStatus.RUNNING,
        )
    ],
)
