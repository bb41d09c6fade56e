"""Several workers store what the sides show, at the same time."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from reconciler.cli import main as contact_sync
from reconciler.errors import LedgerError
from reconciler.ledger import Ledger

from tests.reconciler.job import (
    OBSERVE,
    OBSERVE_SALESFORCE,
    TO_PHONEIQ,
    TO_SALESFORCE,
    history,
    lost_from,
)


def crowd(job, number=12):
    """People on both sides, half of them shared, Contacts and Leads."""
    for one in range(number):
        name = {"FirstName": f"P{one}", "LastName": "L", "MobilePhone": f"+1415555{one + 100:04}"}
        job.salesforce.create(*(("Lead",) if one % 3 else ("Contact",)), **name)
        if one % 2:
            job.phoneiq.create(first_name=f"P{one}", mobile_phone=f"+1415555{one + 100:04}")
    job.phoneiq.create(first_name="Ada", last_name="L", mobile_phone="+14155550099")


def test_observe_salesforce_stores_and_writes_nothing(job):
    crowd(job)
    job.pipe(OBSERVE)
    passed = job.pipe(OBSERVE_SALESFORCE)
    assert passed.code == 0, passed.text
    assert passed.records == []
    assert passed.summary["read"] == 12
    assert len(job.pipe(TO_SALESFORCE).records) > 0


def test_the_streams_of_a_side_come_with_different_workers(job):
    crowd(job)
    job.pipe(OBSERVE)
    assert job.pipe(OBSERVE_SALESFORCE, streams=["Account", "Contact"]).code == 0
    waiting = job.pipe(TO_SALESFORCE)
    assert waiting.code == 0
    assert waiting.records == []
    assert "salesforce has not been observed completely yet" in waiting.text
    assert job.pipe(OBSERVE_SALESFORCE, streams=["Lead"]).code == 0
    assert len(job.pipe(TO_SALESFORCE).records) > 0
    parts = [run["part"] for run in job.history() if run["pipe"] == OBSERVE_SALESFORCE]
    assert parts == ["Lead", "Account, Contact"]


def test_nothing_is_written_again_before_each_stream_was_observed_after_it(job):
    """A lost create is repeated once the side was read completely, not once a part of it was."""
    job.phoneiq.create(first_name="Ada", last_name="L", mobile_phone="+14155550132")
    job.pipe(OBSERVE)
    job.pipe(OBSERVE_SALESFORCE)
    assert len(job.pipe(TO_SALESFORCE, target=lambda _: []).records) == 1
    job.pipe(OBSERVE_SALESFORCE, streams=["Contact"])
    assert job.pipe(TO_SALESFORCE).records == []
    job.pipe(OBSERVE_SALESFORCE, streams=["Lead"])
    assert len(job.pipe(TO_SALESFORCE).records) == 1


def test_each_worker_has_a_state_of_its_own_and_goes_on_with_it(job):
    crowd(job)
    for streams in (["Contact"], ["Lead"]):
        assert job.pipe(OBSERVE_SALESFORCE, streams=streams).code == 0
    job.salesforce.create("Lead", FirstName="New", LastName="L", MobilePhone="+14155550999")
    passed = [job.pipe(OBSERVE_SALESFORCE, streams=[one]) for one in ("Contact", "Lead")]
    assert [one.summary["changed"] for one in passed] == [0, 1]
    assert passed[0].summary["read"] < 4


def test_a_bookmark_of_another_ledger_stops_a_worker(job):
    crowd(job)
    job.pipe(OBSERVE_SALESFORCE, streams=["Lead"])
    job.lose_ledger()
    passed = job.pipe(OBSERVE_SALESFORCE, streams=["Lead"])
    assert passed.code == 1
    assert "--full-refresh" in passed.text


def test_an_extract_without_a_stream_is_an_error(job):
    passed = job.pipe(OBSERVE_SALESFORCE, streams=[])
    assert passed.code == 1
    assert "add one of those that setting 'objects' asks for to the tap's select" in passed.text


def test_another_object_in_the_settings_makes_its_side_incomplete(job):
    crowd(job)
    job.settings["objects"] = ["Contact"]
    job.pipe(OBSERVE)
    assert job.pipe(TO_PHONEIQ, streams=["Contact"]).code == 0
    job.settings["objects"] = ["Contact", "Lead"]
    job.phoneiq.create(first_name="New", last_name="L", mobile_phone="+14155550777")
    assert job.pipe(TO_SALESFORCE).records == []
    job.pipe(OBSERVE_SALESFORCE, streams=["Lead"])
    assert "New" in [record["FirstName"] for record in job.pipe(TO_SALESFORCE).records]


def asked(job, *args):
    return CliRunner().invoke(contact_sync, ["--ledger-url", job.ledger_url, *args]).output


def status(job):
    return json.loads(asked(job, "status", "--json"))


def test_status_names_the_streams_that_are_missing(job):
    crowd(job)
    job.pipe(OBSERVE)
    assert status(job)["why"] == "salesforce not read completely yet; nothing is written"
    job.pipe(OBSERVE_SALESFORCE, streams=["Contact"])
    assert status(job)["why"] == "salesforce (Lead) not read completely yet; nothing is written"
    result = CliRunner().invoke(
        contact_sync, ["--ledger-url", job.ledger_url, "check", "--offline"]
    )
    assert "salesforce read  never completely yet; missing: Lead" in result.output
    job.pipe(OBSERVE_SALESFORCE, streams=["Lead"])
    assert status(job)["read_at"]["salesforce"]


def test_a_failure_stands_until_its_streams_have_come(job):
    crowd(job)
    job.pipe(OBSERVE)
    job.pipe(OBSERVE_SALESFORCE, streams=["Lead"], tap=lost_from(-1))
    job.pipe(OBSERVE_SALESFORCE, streams=["Contact"])
    found = status(job)
    assert found["state"] == "error"
    assert found["why"].startswith(
        "the last run of observe-salesforce Lead failed: the input ended"
    )
    job.pipe(OBSERVE_SALESFORCE)
    assert status(job)["state"] == "initial"


# At the same time, in processes.


@contextlib.contextmanager
def worker(job, tmp_path, pipe, streams=None):
    """A mapper as a process of its own, and what its tap sends to it."""
    config = tmp_path / f"{pipe}-{'-'.join(streams or ())}.json"
    config.write_text(json.dumps({"mode": pipe, "ledger_url": job.ledger_url} | job.settings))
    command = [Path(sys.executable).with_name("reconciler"), "--config", config]
    lines = [json.dumps(one).encode() + b"\n" for one in job.extract(pipe, streams)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process, lines
        finally:
            process.kill()


def wait_until(ledger_url, process, holds):
    """Wait until what is held in a ledger is as a test needs it."""
    while process.poll() is None:
        with (
            contextlib.suppress(LedgerError),
            contextlib.closing(Ledger.existing(ledger_url)) as ledger,
        ):
            if {claim for one in ledger.holders() if one.run for claim in one.claims} >= holds:
                return
    raise AssertionError(process.stderr.read())


def begun(job, tmp_path, pipe, streams, stack):
    """A worker that has its streams and waits for more from its tap."""
    process, lines = stack.enter_context(worker(job, tmp_path, pipe, streams))
    half = next(at for at, one in enumerate(lines) if b'"RECORD"' in one) + 1
    process.stdin.write(b"".join(lines[:half]))
    process.stdin.flush()
    side = "phoneiq" if pipe == OBSERVE else "salesforce"
    names = {f"stream {one} of {side}" for one in streams or ["contacts"]}
    wait_until(job.ledger_url, process, names)
    return process, lines[half:]


def end(process, lines):
    out, log = process.communicate(b"".join(lines), timeout=60)
    assert process.returncode == 0, log
    return out


def test_three_workers_at_the_same_time_store_everything_once(job, tmp_path):
    crowd(job, 40)
    with contextlib.ExitStack() as stack:
        workers = [
            begun(job, tmp_path, OBSERVE, None, stack),
            begun(job, tmp_path, OBSERVE_SALESFORCE, ["Contact"], stack),
            begun(job, tmp_path, OBSERVE_SALESFORCE, ["Lead"], stack),
        ]
        for process, lines in workers:
            end(process, lines)
    assert [run["outcome"] for run in job.history()] == ["succeeded"] * 3
    assert sorted(run["summary"]["changed"] for run in job.history()) == [14, 21, 26]
    assert len(job.pipe(TO_PHONEIQ).records) == 40


def test_a_stream_has_one_worker(job, tmp_path):
    crowd(job)
    with contextlib.ExitStack() as stack:
        first, lines = begun(job, tmp_path, OBSERVE_SALESFORCE, ["Lead"], stack)
        passed = job.pipe(OBSERVE_SALESFORCE)
        assert passed.code == 1
        assert "which has stream Lead of salesforce" in passed.text
        assert str(first.pid) in passed.text
        assert job.pipe(OBSERVE_SALESFORCE, streams=["Contact"]).code == 0
        end(first, lines)


@pytest.mark.parametrize("pipe", [TO_PHONEIQ, TO_SALESFORCE])
def test_a_run_of_one_worker_and_others_exclude_each_other(job, tmp_path, pipe):
    crowd(job)
    with contextlib.ExitStack() as stack:
        first, lines = begun(job, tmp_path, OBSERVE_SALESFORCE, ["Lead"], stack)
        passed = job.pipe(pipe)
        assert passed.code == 1
        assert f"another run works on this ledger: observe-salesforce, process {first.pid}" in (
            passed.text
        )
        end(first, lines)
    with contextlib.closing(Ledger(job.ledger_url)) as ledger, ledger.alone("a run"):
        passed = job.pipe(OBSERVE_SALESFORCE, streams=["Lead"])
    assert passed.code == 1
    assert "another run works on this ledger: a run" in passed.text
    assert job.pipe(pipe).code == 0


def test_a_worker_that_was_killed_is_recorded_as_such_and_the_others_are_not(job, tmp_path):
    crowd(job)
    with contextlib.ExitStack() as stack:
        killed, _ = begun(job, tmp_path, OBSERVE_SALESFORCE, ["Lead"], stack)
        other, lines = begun(job, tmp_path, OBSERVE, None, stack)
        killed.kill()
        killed.wait()
        assert job.pipe(OBSERVE_SALESFORCE, streams=["Lead"]).code == 0
        running = [run["pipe"] for run in job.history() if run["outcome"] == "running"]
        assert [one["run"] for one in status(job)["workers"]] == [2]
        assert running == [OBSERVE]
        end(other, lines)
    assert [(run["pipe"], run["error"]) for run in history(job.ledger_url) if run["error"]] == [
        (OBSERVE_SALESFORCE, "the run was killed")
    ]


def test_a_worker_waits_while_another_prepares_the_ledger(job, tmp_path):
    crowd(job)
    job.pipe(OBSERVE)
    ledger = Ledger(job.ledger_url)
    with contextlib.closing(ledger), worker(job, tmp_path, OBSERVE) as (process, lines):
        with ledger.lease("someone who prepares") as lease:
            lease.take("prepare")
            said = next(line for line in process.stderr if b"waits while" in line)
        assert b"someone who prepares" in said
        end(process, lines)
