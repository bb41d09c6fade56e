"""Several workers write to one side, each a shard of what it needs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from reconciler.errors import SettingsError
from reconciler.ledger import Ledger
from reconciler.settings import Settings
from reconciler.sharding import Shard, ShardRun

from tests.reconciler.job import (
    OBSERVE,
    OBSERVE_SALESFORCE,
    TO_PHONEIQ,
    TO_SALESFORCE,
    history,
)
from tests.reconciler.platforms import deliver


def crowd(job, number=24):
    """People on both sides, half of them shared, Contacts and Leads; some share a number."""
    for one in range(number):
        shared = one % 5 == 0
        name = {
            "FirstName": f"P{one}",
            "LastName": "L",
            "MobilePhone": "+14155550001" if shared else f"+1415555{one + 100:04}",
        }
        job.salesforce.create("Lead" if one % 3 else "Contact", **name)
        if one % 2:
            job.phoneiq.create(
                first_name=f"Q{one}", last_name="L", mobile_phone=f"+1415555{one + 100:04}"
            )
    for one in range(6):
        job.phoneiq.create(first_name=f"N{one}", last_name="L", mobile_phone=f"+1415556{one:04}")


def observe(job):
    for pipe in (OBSERVE, OBSERVE_SALESFORCE):
        passed = job.pipe(pipe)
        assert passed.code == 0, passed.text


def shards(job, pipe, of, **options):
    """All shards, one after the other, each of which has to work."""
    passed = [job.shard(pipe, f"{one}/{of}", **options) for one in range(1, of + 1)]
    assert [one.code for one in passed] == [0] * of, [one.text for one in passed]
    return passed


def sharded(job, of):
    """The job, each of its writing pipes in shards; how much was written."""
    observe(job)
    records = [one.records for one in shards(job, TO_PHONEIQ, of)]
    assert job.pipe(OBSERVE).code == 0
    records += [one.records for one in shards(job, TO_SALESFORCE, of)]
    return sum(map(len, records))


def key(records):
    return sorted(json.dumps(one, sort_keys=True) for one in records)


def nowhere(_):
    """A target that loses everything."""
    return []


@pytest.mark.parametrize("of", [1, 2, 4])
@pytest.mark.parametrize("pipe", [TO_PHONEIQ, TO_SALESFORCE])
def test_shards_are_disjoint_and_together_the_plan_of_one_worker(start, pipe, of):
    alone, shared = start(), start()
    for job in (alone, shared):
        crowd(job)
        observe(job)
    whole = alone.pipe(pipe).records
    passed = shards(shared, pipe, of, target=nowhere)
    assert key(record for one in passed for record in one.records) == key(whole)
    assert len(whole) > 5
    assert all(one.records for one in passed)


@pytest.mark.parametrize("of", [2, 4])
def test_a_sharded_job_ends_where_a_job_of_one_worker_does(start, of):
    alone, shared = start(), start()
    for job in (alone, shared):
        crowd(job)
    alone.settle()
    while sharded(shared, of):
        pass
    assert live(shared) == live(alone)
    assert shared.settle(1)


def live(job):
    return (
        key(
            {name: row[name] for name in ("first_name", "last_name", "mobile_phone")}
            for row in job.phoneiq.live()
        ),
        key(
            {name: row[name] for name in ("FirstName", "LastName", "MobilePhone")}
            for row in job.salesforce.live()
        ),
    )


def test_unpaired_records_that_share_a_number_never_become_two_contacts(job):
    for one in range(8):
        job.salesforce.create("Contact", FirstName=f"P{one}", MobilePhone="+14155550132")
    observe(job)
    passed = shards(job, TO_PHONEIQ, 4)
    assert sum(len(one.records) for one in passed) == 1
    # The holder goes: one of the others takes its place, not two.
    job.salesforce.delete(job.phoneiq.live()[0]["salesforce_id"])
    for _ in range(3):
        sharded(job, 4)
    # That of the holder stays, released; it is nobody else's.
    assert sorted(row["first_name"] for row in job.phoneiq.live()) == ["P0", "P1"]


def test_nothing_is_written_before_both_sides_are_complete(job):
    crowd(job)
    job.pipe(OBSERVE)
    job.pipe(OBSERVE_SALESFORCE, streams=["Contact"])
    passed = shards(job, TO_PHONEIQ, 2)
    assert [one.records for one in passed] == [[], []]
    assert "salesforce has not been observed completely yet" in passed[0].text
    job.pipe(OBSERVE_SALESFORCE, streams=["Lead"])
    assert all(one.records for one in shards(job, TO_PHONEIQ, 2))


def test_pairing_is_done_once_a_round(job):
    crowd(job)
    observe(job)
    passed = shards(job, TO_PHONEIQ, 4)
    assert ["everyone is paired" in one.text for one in passed] == [True, False, False, False]
    assert [one.summary["paired"] > 0 for one in passed] == [True, False, False, False]
    assert passed[2].summary["part"] == "3/4"
    assert "salesforce-to-phoneiq 3/4: 0 read" in passed[2].text


def test_a_shard_that_comes_late_joins(job):
    crowd(job)
    observe(job)
    first = job.shard(TO_PHONEIQ, "2/2")
    again = job.shard(TO_PHONEIQ, "2/2")
    late = job.shard(TO_PHONEIQ, "1/2")
    assert first.records
    assert again.records == []
    assert late.records
    assert "everyone is paired" not in late.text


def test_a_shard_that_comes_after_a_new_observation_begins_a_new_round(job):
    crowd(job)
    observe(job)
    assert job.shard(TO_PHONEIQ, "1/2").records
    job.salesforce.create("Contact", FirstName="New", MobilePhone="+14155550999")
    job.pipe(OBSERVE_SALESFORCE)
    late = job.shard(TO_PHONEIQ, "2/2")
    assert "everyone is paired" in late.text
    rest = job.shard(TO_PHONEIQ, "1/2")
    assert "New" in {one.get("first_name") for one in late.records + rest.records}
    assert "everyone is paired" in job.shard(TO_PHONEIQ, "1/2").text, "that round was over"


def test_changed_settings_begin_a_new_round(job):
    crowd(job)
    observe(job)
    job.shard(TO_PHONEIQ, "1/2")
    job.settings["on_conflict"] = "keep_phoneiq"
    assert "everyone is paired" in job.shard(TO_PHONEIQ, "2/2").text


def test_a_job_of_one_worker_and_a_sharded_one_may_alternate(job):
    crowd(job)
    job.settle()
    assert sharded(job, 3) == 0
    job.salesforce.create("Contact", FirstName="New", MobilePhone="+14155550999")
    assert sharded(job, 3) == 1
    job.phoneiq.create(first_name="Newer", last_name="L", mobile_phone="+14155550888")
    passed = job.run()
    assert [len(one.records) for one in passed] == [0, 0, 1]
    assert next(one.records for one in job.settle()) == []
    assert sharded(job, 2) == 0


def test_paused(job):
    crowd(job)
    observe(job)
    with contextlib.closing(Ledger(job.ledger_url)) as ledger:
        ledger.controls.set({"paused_at": "2025-01-01T00:00:00.000Z"})
        passed = shards(job, TO_PHONEIQ, 2)
        assert [one.records for one in passed] == [[], []]
        assert "nothing is written; the sync is paused" in passed[0].text
        ledger.controls.set({"paused_at": None})
    assert all(one.records for one in shards(job, TO_PHONEIQ, 2))


def test_resumed_while_a_shard_begins_that_has_not_paired(job):
    crowd(job)
    observe(job)
    settings = Settings.from_config({"mode": TO_PHONEIQ, "ledger_url": job.ledger_url})
    with contextlib.closing(Ledger(job.ledger_url)) as ledger:
        ledger.controls.set({"paused_at": "2025-01-01T00:00:00.000Z"})
        with ShardRun(settings, Shard(0, 2)) as run:
            ledger.controls.set({"paused_at": None})
            assert list(run.plan()) == []
    assert all(one.records for one in shards(job, TO_PHONEIQ, 2))


def test_dry_run(job):
    crowd(job)
    observe(job)
    job.settings["dry_run"] = True
    passed = shards(job, TO_PHONEIQ, 2)
    assert [one.records for one in passed] == [[], []]
    assert "dry run: nothing is written; a run would write to phoneiq" in passed[0].text
    assert "shard 1 does all of it" in passed[1].text


def test_deleted(job):
    crowd(job)
    observe(job)
    with contextlib.closing(Ledger(job.ledger_url)) as ledger:
        ledger.controls.set({"deleted_at": "2025-01-01T00:00:00.000Z"})
    passed = shards(job, TO_PHONEIQ, 2)
    assert [one.records for one in passed] == [[], []]
    assert "this sync was deleted" in passed[0].text


def test_a_revert_is_done_by_the_first_shard(job):
    crowd(job)
    while sharded(job, 2):
        pass
    created = len(job.phoneiq.live())
    with contextlib.closing(Ledger(job.ledger_url)) as ledger:
        ledger.controls.set({"revert": "delete"})
    passed = shards(job, TO_PHONEIQ, 2)
    assert len(passed[0].records) > 0
    assert passed[1].records == []
    assert len(job.phoneiq.live()) < created
    job.pipe(OBSERVE)
    with contextlib.closing(Ledger(job.ledger_url)) as ledger:
        assert ledger.controls.get("deleted_at")


def test_too_many_deletions_stop_the_round_before_its_first_write(start):
    job = start(on_delete="propagate", max_delete_percent=10)
    crowd(job)
    while sharded(job, 2):
        pass
    for row in job.salesforce.live()[:9]:
        job.salesforce.delete(row["Id"])
    observe(job)
    passed = [job.shard(TO_PHONEIQ, one) for one in ("1/2", "2/2")]
    assert [one.code for one in passed] == [1, 1]
    assert [one.records for one in passed] == [[], []]
    assert all("max_delete_percent" in one.text for one in passed)
    assert [run["outcome"] for run in job.history()[:2]] == ["failed", "failed"]
    job.settings["max_delete_percent"] = 100
    assert sum(len(one.records) for one in shards(job, TO_PHONEIQ, 2)) > 0


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_a_wrong_shard_is_one_error_that_says_what_is_allowed(text):
    with pytest.raises(SettingsError, match=r"setting 'shard' is .* it has to be k/N"):
        Shard.from_text(text)


def test_a_mode_that_only_stores_is_an_error(job):
    passed = job.shard(OBSERVE, "1/2")
    assert passed.code == 1
    assert "setting 'mode' is observe-phoneiq; allowed are salesforce-to-phoneiq" in passed.text


# In processes.


#: A worker that looks before each write whether the sync is paused, not twice a second.
ATTENTIVE = "from reconciler import run, tap; run._ATTENTION = 0; tap.TapContactSync.cli()"


def tap(job, tmp_path, pipe, shard, program=None):
    """A worker's process."""
    config = tmp_path / f"{pipe}-{shard.replace('/', 'of')}.json"
    config.write_text(
        json.dumps({"mode": pipe, "ledger_url": job.ledger_url, "shard": shard} | job.settings)
    )
    program = program or [Path(sys.executable).with_name("tap-contact-sync")]
    state = tmp_path / f"{pipe}-{shard.replace('/', 'of')}-state.json"
    state.write_text(json.dumps(job.states.get(f"{pipe} {shard}", {})))
    command = [*program, "--config", config, "--state", state]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def end(process):
    # What was read of it so far is out of reach of `communicate`.
    out, log = process.stdout.read(), process.stderr.read()
    assert process.wait() == 0, log.decode()[-3000:]
    return [json.loads(line) for line in out.splitlines()]


def records(messages):
    return [one["record"] for one in messages if one["type"] == "RECORD"]


def test_four_processes_at_the_same_time(start, tmp_path):
    alone, job = start(), start()
    for one in (alone, job):
        crowd(one, 80)
        observe(one)
    workers = [tap(job, tmp_path, TO_PHONEIQ, f"{one}/4") for one in range(1, 5)]
    sent = [end(worker) for worker in workers]
    assert key(one for messages in sent for one in records(messages)) == key(
        alone.pipe(TO_PHONEIQ).records
    )
    for one, messages in enumerate(sent, 1):
        assert [message["type"] for message in messages].index("STATE") == len(messages) - 1
        job.states[f"{TO_PHONEIQ} {one}/4"] = deliver(job.phoneiq, messages)
    while sharded(job, 4):
        pass
    alone.settle()
    assert live(job) == live(alone)


@pytest.fixture
def many(job):
    """More than a pipe holds, so that a worker whose messages nobody reads stops in the middle."""
    for one in range(3_000):
        job.salesforce.create(
            "Contact",
            FirstName=f"P{one}",
            LastName="L" * 60,
            MobilePhone=f"+1415{2_000_000 + one:07}",
        )
    observe(job)
    return job


def stopped(job, tmp_path, shard, program=None):
    """A worker that has begun to write, and waits for its target to read on."""
    process = tap(job, tmp_path, TO_PHONEIQ, shard, program)
    first = [process.stdout.readline() for _ in range(3)]
    assert all(first), process.stderr.read().decode()
    return process, first


def test_a_killed_workers_shard_is_taken_up_again(many, tmp_path):
    process, first = stopped(many, tmp_path, "1/2")
    other = end(tap(many, tmp_path, TO_PHONEIQ, "2/2"))
    process.kill()
    process.communicate()
    # What had arrived at its target by then.
    arrived = [json.loads(line) for line in first]
    deliver(many.phoneiq, arrived)
    deliver(many.phoneiq, other)
    assert len(records(other)) == 1_500
    # The same shard again: what was not handed out before; then, once its side was read, the rest.
    again = many.shard(TO_PHONEIQ, "1/2")
    assert again.code == 0, again.text
    assert len(again.records) < 1_500
    while sharded(many, 2):
        pass
    names = [row["first_name"] for row in many.phoneiq.live()]
    assert len(names) == len(set(names)) == 3_000
    assert [run["error"] for run in many.history() if run["error"]] == ["the run was killed"]


def test_who_works_excludes_others(many, tmp_path):
    process, _ = stopped(many, tmp_path, "1/2")
    try:
        for refused in (
            many.pipe(TO_PHONEIQ),
            many.pipe(OBSERVE),
            many.shard(TO_PHONEIQ, "1/2"),
            many.shard(TO_PHONEIQ, "2/3"),
            many.shard(TO_SALESFORCE, "2/2"),
        ):
            assert refused.code == 1
            assert refused.messages == []
            assert f"salesforce-to-phoneiq 1/2, process {process.pid}" in refused.text
        assert "which has shard 1/2 of the writes to phoneiq" in many.shard(TO_PHONEIQ, "1/2").text
        assert "since the last one has 2 shards" in many.shard(TO_PHONEIQ, "2/3").text
        joined = many.shard(TO_PHONEIQ, "2/2")
        assert joined.code == 0, joined.text
        assert len(joined.records) == 1_500
    finally:
        process.kill()
        process.communicate()
    with contextlib.closing(Ledger(many.ledger_url)) as ledger, ledger.alone("a run"):
        refused = many.shard(TO_PHONEIQ, "1/2")
        assert refused.code == 1
        assert "another run works on this ledger: a run" in refused.text


def test_a_shard_waits_while_another_pairs(job, tmp_path):
    crowd(job)
    observe(job)
    with contextlib.closing(Ledger(job.ledger_url)) as ledger:
        with ledger.lease("another shard") as lease:
            lease.take("prepare")
            process = tap(job, tmp_path, TO_PHONEIQ, "2/2")
            said = next(line for line in process.stderr if b"waits while" in line)
            assert b"another shard" in said
        assert records(end(process))


def test_a_pause_stops_all_workers(many, tmp_path):
    attentive = [sys.executable, "-c", ATTENTIVE]
    one, first = stopped(many, tmp_path, "1/2", attentive)
    two, _ = stopped(many, tmp_path, "2/2", attentive)
    with contextlib.closing(Ledger(many.ledger_url)) as ledger:
        ledger.controls.set({"paused_at": "2025-01-01T00:00:00.000Z"})
    sent = [len(records(end(process))) for process in (one, two)]
    assert all(number < 1_490 for number in sent)
    assert {run["outcome"] for run in history(many.ledger_url)} == {"succeeded"}
    assert first
