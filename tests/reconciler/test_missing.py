"""A full refresh that does not show a record: it is missing, which is no deletion."""

from __future__ import annotations

import pytest

from tests.reconciler.job import OBSERVE, PIPES


def without(*ids):
    """A tap that does not show some records."""

    def is_hidden(message):
        record = message.get("record", {})
        return record.get("Id") in ids or record.get("id") in ids

    return lambda messages: [one for one in messages if not is_hidden(one)]


def run(job, hidden=()):
    """The job, to which the taps do not show some records."""
    passed = [job.pipe(pipe, tap=without(*hidden)) for pipe in PIPES]
    assert [one.code for one in passed] == [0, 0, 0], passed[-1].text
    return passed


def refresh(job, hidden=()):
    """The same with --full-refresh."""
    job.states.clear()
    return run(job, hidden)


def missing(job):
    return [row["id"] for row in job.ask("skips", "--reason", "missing")]


@pytest.fixture(params=["keep", "propagate"])
def paired(start, request):
    job = start(on_delete=request.param, max_delete_percent=100)
    job.pair = job.pair_up()
    return job


@pytest.mark.parametrize("side", [0, 1])
def test_a_record_that_a_full_refresh_does_not_show(paired, side):
    hidden = paired.pair[side]
    passed = refresh(paired, [hidden])
    assert any("count as missing, not as deleted" in one.text for one in passed)
    assert missing(paired) == [hidden]
    (told,) = paired.ask("explain", hidden)
    assert "missing" in {one["skip"] for one in told["records"]}
    assert paired.ask("plan")["writes"] == []
    name = "salesforce" if side == 0 else "phoneiq"
    assert paired.ask("plan")["counts"] == {}
    summary = passed[1 if side == 0 else 2].summary
    assert summary["skipped"].get("missing") == 1, name
    assert len(paired.salesforce.live()) == len(paired.phoneiq.live()) == 1
    assert paired.salesforce.written == paired.phoneiq.written == []


@pytest.mark.parametrize("side", [0, 1])
def test_nothing_is_written_to_a_missing_record_until_it_is_shown_again(paired, side):
    record, contact = paired.pair
    hidden = paired.pair[side]
    refresh(paired, [hidden])
    if side == 0:
        paired.phoneiq.edit(contact, job_title="Countess")
    else:
        paired.salesforce.edit(record, Title="Countess")
    for _ in range(2):
        run(paired, [hidden])
    assert paired.salesforce.written == paired.phoneiq.written == []
    refresh(paired)
    assert missing(paired) == []
    paired.settle()
    assert paired.salesforce.get(record)["Title"] == "Countess"
    assert paired.phoneiq.get(contact)["job_title"] == "Countess"


def test_a_missing_record_that_is_edited_is_shown_by_the_next_increment(paired):
    record, contact = paired.pair
    refresh(paired, [record])
    paired.salesforce.edit(record, Title="Countess")
    paired.settle()
    assert missing(paired) == []
    assert paired.phoneiq.get(contact)["job_title"] == "Countess"


@pytest.mark.parametrize("side", [0, 1])
def test_the_other_half_of_a_missing_record_is_deleted(paired, side):
    record, contact = paired.pair
    refresh(paired, [paired.pair[side]])
    if side == 0:
        paired.phoneiq.delete(contact)
    else:
        paired.salesforce.delete(record)
    for _ in range(2):
        run(paired, [paired.pair[side]])
    assert paired.salesforce.written == paired.phoneiq.written == []


def test_a_missing_record_that_turns_out_to_be_deleted(paired):
    record, _ = paired.pair
    refresh(paired, [record])
    paired.salesforce.delete(record)
    paired.settle()
    assert missing(paired) == []
    assert len(paired.phoneiq.live()) == (1 if paired.settings["on_delete"] == "keep" else 0)


def test_a_missing_record_without_a_pair_gives_its_number_up(start):
    job = start(sync_direction="phoneiq_to_salesforce")
    record = job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    job.settle()
    refresh(job, [record])
    new = job.phoneiq.create(first_name="Eve", mobile_phone="+14155550132")
    run(job, [record])
    assert len(job.salesforce.live()) == 2, "Eve is no longer taken for the record that is missing"
    assert missing(job) == [record]
    refresh(job)
    assert missing(job) == []
    assert new


def test_settings_that_change_do_not_show_a_missing_record(paired):
    record, contact = paired.pair
    refresh(paired, [record])
    paired.settings["default_region"] = "DE"
    paired.phoneiq.edit(contact, job_title="Countess")
    run(paired, [record])
    assert missing(paired) == [record]
    assert paired.salesforce.written == []


def test_an_incomplete_full_refresh_says_nothing_about_what_it_did_not_show(paired):
    paired.states.clear()
    passed = paired.pipe(OBSERVE, tap=lambda messages: messages[:2])
    assert passed.code == 1
    assert missing(paired) == []


def test_an_increment_says_nothing_about_what_it_did_not_show(paired):
    paired.salesforce.create("Contact", FirstName="Zed")
    paired.settle()
    assert missing(paired) == []


def test_a_stream_that_is_not_part_of_the_extract_is_not_missing(start):
    job = start(objects=["Contact"])
    account = job.salesforce.create("Account", Name="Engines")
    job.pair_up(AccountId=account)
    job.salesforce.objects = ["Contact"]
    refresh(job)
    assert missing(job) == []
