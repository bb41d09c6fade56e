"""A field that a platform keeps rewriting is noticed, stopped and shown; other fields go on."""

from __future__ import annotations

import pytest

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, TO_SALESFORCE

ROUNDS = 3


def shortened(field, length):
    """A rule that cuts a field."""
    return lambda row: {field: row[field] and row[field][:length]}


def upper(field):
    return lambda row: {field: row[field] and row[field].upper()}


def lower(field):
    return lambda row: {field: row[field] and row[field].lower()}


def quiet_after(job, runs):
    """Run the job until it writes nothing; how many runs wrote."""
    for count in range(runs):
        job.clock.wait(300)
        if not any(passed.records for passed in job.run()):
            return count
    raise AssertionError(f"still writing after {runs} runs")


def lose(_):
    """A target that crashes: nothing of what it got arrives, and no STATE comes back."""
    return []


@pytest.fixture
def on_phoneiq(job):
    """A pair whose title PhoneIQ cuts; stopped."""
    record, contact = job.pair_up(Title="old")
    job.phoneiq.rules.append(shortened("job_title", 5))
    job.salesforce.edit(record, Title="Analytical Engineer")
    assert quiet_after(job, 6) == ROUNDS + 1
    job.forget_written()
    return record, contact


@pytest.fixture
def on_salesforce(start):
    """A pair whose title Salesforce writes in capitals; stopped."""
    job = start(on_conflict="keep_phoneiq")
    record, contact = job.pair_up(Title="OLD")
    job.salesforce.rules.append(upper("Title"))
    job.phoneiq.edit(contact, job_title="Analyst")
    assert quiet_after(job, 6) == ROUNDS + 1
    job.forget_written()
    return job, record, contact


def test_a_phoneiq_that_rewrites_is_noticed_and_left_alone(job, on_phoneiq):
    record, contact = on_phoneiq
    for _ in range(8):
        passed = job.run()
        assert not any(one.records for one in passed)
        assert passed[1].summary["skipped"] == {"flapping": 1}
        assert passed[2].summary["skipped"] == {}
        assert passed[1].summary["unconfirmed"] == 0
    assert job.salesforce.get(record)["Title"] == "Analytical Engineer"
    assert job.phoneiq.get(contact)["job_title"] == "Analy"


def test_a_salesforce_that_rewrites_is_noticed_and_left_alone(on_salesforce):
    job, record, contact = on_salesforce
    for _ in range(8):
        passed = job.run()
        assert not any(one.records for one in passed)
        assert passed[0].summary["skipped"] == {"flapping": 1}
        assert passed[2].summary["skipped"] == {"flapping": 1}
    assert job.salesforce.get(record)["Title"] == "ANALYST"
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"


def test_a_rewritten_value_that_wins_is_no_flapping(job):
    record, contact = job.pair_up(Title="OLD")
    job.salesforce.rules.append(upper("Title"))
    job.phoneiq.edit(contact, job_title="Analyst")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == job.salesforce.get(record)["Title"] == "ANALYST"
    assert job.run()[2].summary["skipped"] == {}


def test_a_value_rewritten_when_the_contact_is_created(job):
    job.phoneiq.rules.append(shortened("job_title", 5))
    record = job.salesforce.create(
        "Contact", FirstName="Ada", Title="Analytical Engineer", MobilePhone="+14155550132"
    )
    assert quiet_after(job, 6) == ROUNDS + 1
    assert job.contact_of(record)["job_title"] == "Analy"
    assert job.run()[1].summary["skipped"] == {"flapping": 1}


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_rules_on_both_sides_that_play_ping_pong(start, on_conflict):
    job = start(on_conflict=on_conflict)
    record, contact = job.pair_up(Title="old")
    job.salesforce.rules.append(upper("Title"))
    job.phoneiq.rules.append(lower("job_title"))
    job.salesforce.edit(record, Title="Analyst", Email="ada@example.org")
    quiet_after(job, 6)
    assert job.salesforce.get(record)["Title"] == "ANALYST"
    assert job.phoneiq.get(contact)["job_title"] == "analyst"
    assert job.phoneiq.get(contact)["email"] == "ada@example.org"


def test_rules_that_wait_until_their_value_was_seen_play_ping_pong(job):
    record, contact = job.pair_up(Title="day")
    written = 0
    for _ in range(30):
        job.clock.wait(300)
        passed = job.run()
        written += sum(len(one.records) for one in passed)
        # Each sets it back, but not before both sides have shown the other's value.
        titles = {job.salesforce.get(record)["Title"], job.phoneiq.get(contact)["job_title"]}
        if titles == {"day"} and not any(one.records for one in passed):
            job.salesforce.edit(record, Title="night")
        elif titles == {"night"} and not any(one.records for one in passed):
            job.phoneiq.edit(contact, job_title="day")
    assert written == 2 * ROUNDS
    assert [one.summary["skipped"] for one in job.run()].count({"flapping": 1}) >= 1


def test_other_fields_of_the_pair_go_on(job, on_phoneiq):
    record, contact = on_phoneiq
    for number in range(5):
        job.salesforce.edit(record, Email=f"ada{number}@example.org")
        job.phoneiq.edit(contact, last_name=f"King {number}")
        passed = job.run()
        assert passed[1].summary["skipped"] == {"flapping": 1}
    job.settle()
    assert {name for one in job.phoneiq.written for name in one.fields} == {"email"}
    assert {name for one in job.salesforce.written for name in one.fields} == {"LastName"}
    assert job.phoneiq.get(contact)["email"] == "ada4@example.org"
    assert job.salesforce.get(record)["LastName"] == "King 4"


def test_other_pairs_are_not_concerned(job, on_phoneiq):
    record, contact = job.pair_up(Title="old", MobilePhone="+14155550177")
    job.salesforce.edit(record, Title="Boss")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "Boss"


def test_it_starts_again_when_someone_edits_the_source(job, on_phoneiq):
    record, contact = on_phoneiq
    job.salesforce.edit(record, Title="Boss")
    passed = job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "Boss"
    assert passed[1].summary["skipped"] == {}


def test_it_starts_again_when_someone_edits_the_rewritten_value(job, on_phoneiq):
    record, contact = on_phoneiq
    job.phoneiq.rules.clear()
    job.phoneiq.edit(contact, job_title="Programmer")
    job.settle()
    assert job.salesforce.get(record)["Title"] == job.phoneiq.get(contact)["job_title"]


def test_it_starts_again_on_the_side_of_salesforce(on_salesforce):
    job, record, contact = on_salesforce
    job.phoneiq.edit(contact, job_title="BOSS")
    passed = job.settle()
    assert job.salesforce.get(record)["Title"] == "BOSS"
    assert passed[2].summary["skipped"] == {}


def test_the_value_that_did_flap_may_be_entered_again_once_the_rule_is_gone(job, on_phoneiq):
    record, contact = on_phoneiq
    job.phoneiq.rules.clear()
    job.salesforce.edit(record, Title="Boss")
    job.settle()
    job.salesforce.edit(record, Title="Analytical Engineer")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "Analytical Engineer"


def test_a_target_that_loses_writes_is_no_flapping(job):
    record, contact = job.pair_up(Title="old")
    job.salesforce.edit(record, Title="new")
    for _ in range(20):
        job.pipe(OBSERVE)
        assert len(job.pipe(TO_PHONEIQ, target=lose).records) == 1
        job.pipe(TO_SALESFORCE)
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "new"


def test_a_target_that_loses_writes_while_other_fields_change_is_no_flapping(job):
    record, contact = job.pair_up(Title="old")
    job.salesforce.edit(record, Title="new")
    for number in range(8):
        job.salesforce.edit(record, Email=f"ada{number}@example.org")
        job.pipe(OBSERVE)
        (written,) = job.pipe(TO_PHONEIQ, target=lose).records
        assert written["job_title"] == "new"
        job.pipe(TO_SALESFORCE)
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "new"


@pytest.mark.parametrize("lost", [TO_PHONEIQ, TO_SALESFORCE])
def test_a_record_that_is_refused_while_people_edit_it_is_no_flapping(job, lost):
    record, contact = job.pair_up(Title="old", Email="ada@example.org")
    if lost == TO_PHONEIQ:
        job.salesforce.edit(record, Title="new")
    else:
        job.phoneiq.edit(contact, job_title="new")
    for number in range(8):
        # The refused record changes all the time, but not through the sync.
        if lost == TO_PHONEIQ:
            job.phoneiq.edit(contact, notes=f"{number}")
        else:
            job.salesforce.edit(record, Description=f"{number}")
        job.pipe(OBSERVE)
        job.pipe(TO_PHONEIQ, target=lose if lost == TO_PHONEIQ else list)
        job.pipe(TO_SALESFORCE, target=lose if lost == TO_SALESFORCE else list)
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == job.salesforce.get(record)["Title"] == "new"


def test_a_person_who_goes_back_and_forth_a_few_times_is_followed(job):
    record, contact = job.pair_up(Title="old")
    for number in range(4):
        title = "new" if number % 2 == 0 else "old"
        job.salesforce.edit(record, Title=title)
        job.settle()
        assert job.phoneiq.get(contact)["job_title"] == title


def test_a_lost_ledger_notices_again(job, on_phoneiq):
    _, contact = on_phoneiq
    job.lose_ledger()
    job.states.clear()
    assert quiet_after(job, 6) <= ROUNDS + 1
    assert job.phoneiq.get(contact)["job_title"] == "Analy"
