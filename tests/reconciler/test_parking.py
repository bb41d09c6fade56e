"""A write that its side does not accept is tried in three runs, then parked."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from reconciler.cli import main as contact_sync

from tests.reconciler.job import OBSERVE, OBSERVE_SALESFORCE, TO_PHONEIQ, TO_SALESFORCE, Job


def refusing(messages):
    """The target hands everything on but the records."""
    return [message for message in messages if message["type"] != "RECORD"]


def crashed(_):
    return []


def up_to_the_first_write(messages):
    """The target crashes behind it."""
    records = [place for place, one in enumerate(messages) if one["type"] == "RECORD"]
    return messages[: records[0] + 1] if records else messages


def never_clearing(messages):
    """The target leaves out what is null, as MeltanoLabs' target does."""
    return [
        message
        | {
            "record": {
                name: value for name, value in message["record"].items() if value is not None
            }
        }
        if message["type"] == "RECORD"
        else message
        for message in messages
    ]


def run(job: Job, target=list) -> int:
    """The job with a target on both sides that does something to the messages; its writes."""
    passed = [
        job.pipe(OBSERVE),
        job.pipe(TO_PHONEIQ, target=target),
        job.pipe(TO_SALESFORCE, target=target),
    ]
    assert [one.code for one in passed] == [0, 0, 0], passed[-1].text
    return sum(len(one.records) for one in passed)


def status(job: Job):
    return CliRunner().invoke(contact_sync, ["--ledger-url", job.ledger_url, "status"])


def skips(job: Job) -> list[tuple[str, str | None]]:
    return [(row["reason"], row["field"]) for row in job.ask("skips")]


def edit(job: Job, side: str, pair: tuple[str, str], title: str | None) -> None:
    if side == "salesforce":
        job.salesforce.edit(pair[0], Title=title)
    else:
        job.phoneiq.edit(pair[1], job_title=title)


def titles(job: Job, pair: tuple[str, str]) -> tuple[str | None, str | None]:
    return job.salesforce.get(pair[0])["Title"], job.phoneiq.get(pair[1])["job_title"]


@pytest.mark.parametrize("side", ["salesforce", "phoneiq"])
def test_an_update_that_is_not_accepted(start, side):
    job = start(max_rejects_percent=100)
    pair = job.pair_up()
    edit(job, side, pair, "Countess")
    assert [run(job, refusing) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert skips(job) == [("not_accepted", "job_title" if side == "salesforce" else "Title")]
    state = status(job)
    assert state.exit_code == 0
    assert "1 parked" in state.output
    edit(job, side, pair, "Analyst")
    job.settle()
    assert titles(job, pair) == ("Analyst", "Analyst")
    assert skips(job) == []


def test_a_parked_field_leaves_the_others_alone(start):
    job = start(max_rejects_percent=100)
    pair = job.pair_up()
    edit(job, "salesforce", pair, "Countess")
    for _ in range(4):
        run(job, refusing)
    job.salesforce.edit(pair[0], FirstName="Augusta")
    job.settle()
    assert job.phoneiq.get(pair[1])["first_name"] == "Augusta"
    assert titles(job, pair) == ("Countess", None)


def test_a_parked_write_is_tried_again_on_request(start):
    job = start(max_rejects_percent=100)
    pair = job.pair_up()
    edit(job, "salesforce", pair, "Countess")
    for _ in range(4):
        run(job, refusing)
    CliRunner().invoke(contact_sync, ["--ledger-url", job.ledger_url, "resync", pair[0]])
    job.settle()
    assert titles(job, pair) == ("Countess", "Countess")


def test_parked_writes_are_tried_again_with_other_settings(start):
    job = start(max_rejects_percent=100)
    pair = job.pair_up()
    edit(job, "salesforce", pair, "Countess")
    for _ in range(4):
        run(job, refusing)
    job.settings["on_conflict"] = "keep_phoneiq"
    job.settle()
    assert titles(job, pair) == ("Countess", "Countess")


def test_more_parked_writes_than_allowed(job):
    pair = job.pair_up()
    edit(job, "salesforce", pair, "Countess")
    for _ in range(4):
        run(job, refusing)
    state = status(job)
    assert state.exit_code == 5
    assert "max_rejects_percent" in state.output
    edit(job, "salesforce", pair, None)
    job.settle()
    assert status(job).exit_code == 0


@pytest.mark.parametrize("side", ["salesforce", "phoneiq"])
def test_a_create_that_is_not_accepted(start, side):
    job = start(max_rejects_percent=100)
    job.pair_up()
    if side == "salesforce":
        new = job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    else:
        new = job.phoneiq.create(first_name="Bob", last_name="B", mobile_phone="+14155550143")
    assert [run(job, refusing) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert skips(job) == [("not_accepted", None)]
    if side == "salesforce":
        job.salesforce.edit(new, FirstName="Bo")
    else:
        job.phoneiq.edit(new, first_name="Bo")
    job.settle()
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 2
    assert skips(job) == []


@pytest.mark.parametrize("side", ["salesforce", "phoneiq"])
def test_a_delete_that_is_not_accepted(start, side):
    job = start(on_delete="propagate", max_rejects_percent=100)
    record, contact = job.pair_up()
    if side == "salesforce":
        job.salesforce.delete(record)
    else:
        job.phoneiq.delete(contact)
    assert [run(job, refusing) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert skips(job) == [("not_accepted", None)]


def test_a_target_that_crashes_in_three_runs_parks_nothing(job):
    pair = job.pair_up()
    edit(job, "salesforce", pair, "Countess")
    new = job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    assert [run(job, crashed) for _ in range(4)] == [2, 2, 2, 2]
    assert skips(job) == []
    job.settle()
    assert job.contact_of(new)
    assert titles(job, pair) == ("Countess", "Countess")


def test_two_crashed_runs_and_a_good_one(job):
    pair = job.pair_up()
    edit(job, "salesforce", pair, "Countess")
    run(job, crashed)
    run(job, crashed)
    run(job)
    assert status(job).exit_code == 0


@pytest.mark.parametrize("side", ["salesforce", "phoneiq"])
def test_a_target_that_crashes_after_its_first_write_parks_nothing(start, side):
    """That one write of a run has arrived says nothing about those behind it."""
    job = start()
    pair = job.pair_up()
    if side == "salesforce":
        job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    else:
        job.phoneiq.create(first_name="Bob", last_name="B", mobile_phone="+14155550143")
    for title in ("Countess", "Analyst", "Poet", "Author"):
        edit(job, side, pair, title)
        run(job, up_to_the_first_write)
        assert titles(job, pair) == (title, title)
    run(job, up_to_the_first_write)
    assert skips(job) == []
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 2


def sharded(job: Job, target=list) -> list[int]:
    """The job in two shards a side; how much each of them sent."""
    sent = []
    for read, to in (((OBSERVE, OBSERVE_SALESFORCE), TO_PHONEIQ), ((OBSERVE,), TO_SALESFORCE)):
        passed = [job.pipe(pipe) for pipe in read]
        passed += [job.shard(to, f"{one}/2", target=target) for one in (1, 2)]
        assert not any(one.code for one in passed), passed[-1].text
        sent += [len(one.records) for one in passed[-2:]]
    return sent


def people(job: Job, number: int = 4) -> None:
    """Some in Salesforce only."""
    for one in range(number):
        job.salesforce.create("Contact", FirstName=f"P{one}", MobilePhone=f"+14155550{100 + one}")


def test_what_is_not_accepted_in_a_sharded_job(start):
    job = start(max_rejects_percent=100)
    people(job)
    assert [sum(sharded(job, refusing)) for _ in range(5)] == [4, 4, 4, 0, 0]
    assert skips(job) == [("not_accepted", None)] * 4


def test_shards_whose_targets_crash_park_nothing(start):
    job = start()
    people(job, 12)
    for _ in range(4):
        assert sum(sharded(job, up_to_the_first_write)) > 0
    assert skips(job) == []
    sharded(job)
    sharded(job)
    assert len(job.phoneiq.live()) == 12
    assert not sum(sharded(job))


def test_the_state_of_a_shard_that_is_of_another_ledger_says_nothing(start):
    job = start(max_rejects_percent=100)
    people(job)
    sharded(job, refusing)
    job.lose_ledger()
    for pipe in (OBSERVE, OBSERVE_SALESFORCE):
        del job.states[pipe]
    assert sum(sharded(job, crashed)) == 4
    assert [sum(sharded(job, refusing)) for _ in range(4)] == [4, 4, 4, 0]


@pytest.mark.parametrize("side", ["salesforce", "phoneiq"])
def test_a_target_that_never_clears_a_field(start, side):
    job = start(max_rejects_percent=100)
    pair = job.pair_up(Title="Countess")
    edit(job, side, pair, None)
    assert [run(job, never_clearing) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert skips(job) == [("not_accepted", "job_title" if side == "salesforce" else "Title")]
    (answer,) = job.ask("explain", pair[0])
    (note,) = [note for note in answer["notes"] if "not_accepted" in note]
    assert "sent 3 times" in note
    assert "never clear" in note
    edit(job, side, pair, "Analyst")
    job.settle()
    assert titles(job, pair) == ("Analyst", "Analyst")
