"""What a run wrote, taken back."""

from __future__ import annotations

import pytest

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, lost_from
from tests.reconciler.platforms import EXTERNAL_ID

pytestmark = pytest.mark.both_ledgers

NUMBER = "+14155550132"


def writer(seat, side):
    """The newest run that wrote to a side."""
    pipe = "salesforce-to-phoneiq" if side == "phoneiq" else "phoneiq-to-salesforce"
    return next(
        str(one["run"])
        for one in seat.json("history")
        if one["pipe"] == pipe
        and any(one["summary"].get(count) for count in ("created", "updated", "deleted"))
    )


def take_back(seat, side="phoneiq", *, run=None, runs=3):
    run = run or writer(seat, side)
    said = seat.done("undo", run, "--yes")
    seat.job.forget_written()
    for _ in range(runs):
        seat.job.run()
    return said


def quiet(seat):
    seat.job.settle()
    seat.job.forget_written()
    for _ in range(3):
        seat.job.run()
    assert seat.job.phoneiq.written == seat.job.salesforce.written == []


@pytest.fixture
def pair(seat):
    """A pair whose title the last run changed from Clerk to Countess; their ids."""
    ids = seat.job.pair_up(Title="Clerk", Email="Ada@Example.com")
    seat.job.salesforce.edit(ids[0], Title="Countess")
    seat.job.settle()
    return ids


# --- fields --------------------------------------------------------------------------------


def test_a_field_gets_its_old_value_and_its_source_keeps_its_own(seat, pair):
    record, contact = pair
    said = take_back(seat)
    assert "1 field of 1 record in PhoneIQ: back to the old value" in said.words
    assert seat.job.phoneiq.get(contact)["job_title"] == "Clerk"
    assert seat.job.salesforce.get(record)["Title"] == "Countess"
    assert len(seat.job.phoneiq.written) == 1
    quiet(seat)


def test_in_salesforce_too(seat):
    record, contact = seat.job.pair_up(Title="Clerk")
    seat.job.phoneiq.edit(contact, job_title="Countess")
    seat.job.settle()
    take_back(seat, "salesforce")
    assert seat.job.salesforce.get(record)["Title"] == "Clerk"
    assert seat.job.phoneiq.get(contact)["job_title"] == "Countess"
    quiet(seat)


def test_a_filled_field_is_blank_again_and_its_source_is_not_cleared(seat):
    record, contact = seat.job.pair_up()
    seat.job.salesforce.edit(record, Title="Countess")
    seat.job.settle()
    take_back(seat)
    assert seat.job.phoneiq.get(contact)["job_title"] is None
    assert seat.job.salesforce.get(record)["Title"] == "Countess"
    quiet(seat)


def test_a_cleared_field_is_filled_again(seat, pair):
    record, contact = pair
    seat.job.salesforce.edit(record, Title=None)
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["job_title"] is None
    take_back(seat)
    assert seat.job.phoneiq.get(contact)["job_title"] == "Countess"
    quiet(seat)


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
@pytest.mark.parametrize("side", ["salesforce", "phoneiq"])
def test_the_next_edit_of_either_side_travels(start, on_conflict, side):
    seat = start(on_conflict=on_conflict)
    record, contact = seat.job.pair_up(Title="Clerk")
    seat.job.salesforce.edit(record, Title="Countess")
    seat.job.settle()
    take_back(seat)
    if side == "salesforce":
        seat.job.salesforce.edit(record, Title="Analyst")
    else:
        seat.job.phoneiq.edit(contact, job_title="Analyst")
    seat.job.settle()
    assert seat.job.salesforce.get(record)["Title"] == "Analyst"
    assert seat.job.phoneiq.get(contact)["job_title"] == "Analyst"
    quiet(seat)


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_the_next_edit_travels_although_it_is_lost_once(start, on_conflict):
    seat = start(on_conflict=on_conflict)
    record, contact = seat.job.pair_up(Title="Clerk")
    seat.job.salesforce.edit(record, Title="Countess")
    seat.job.settle()
    take_back(seat)
    seat.job.salesforce.edit(record, Title="Analyst")
    for pipe in (OBSERVE, TO_PHONEIQ):
        seat.job.pipe(pipe, target=lost_from(0))
    seat.job.settle(4)
    assert seat.job.salesforce.get(record)["Title"] == "Analyst"
    assert seat.job.phoneiq.get(contact)["job_title"] == "Analyst"
    quiet(seat)


def test_other_fields_are_synced_meanwhile(seat, pair):
    record, contact = pair
    take_back(seat)
    seat.job.salesforce.edit(record, Email="countess@example.com")
    seat.job.phoneiq.edit(contact, company="Babbage")
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["email"] == "countess@example.com"
    assert seat.job.phoneiq.get(contact)["job_title"] == "Clerk"
    quiet(seat)


def test_what_was_edited_since_stays(seat, pair):
    record, contact = pair
    seat.job.phoneiq.edit(contact, job_title="Analyst")
    seat.job.settle()
    said = seat.done("undo", writer(seat, "phoneiq"), "--yes")
    assert "nothing is left to take back" in said.words
    assert "1 field: edited since" in said.words
    seat.job.settle()
    assert seat.job.salesforce.get(record)["Title"] == "Analyst"


def test_an_edit_that_no_run_has_seen_stays(seat, pair):
    record, contact = pair
    run = writer(seat, "phoneiq")
    seat.done("undo", run, "--yes")
    seat.job.phoneiq.edit(contact, job_title="Analyst")
    seat.job.settle()
    assert seat.job.salesforce.get(record)["Title"] == "Analyst"
    assert seat.job.phoneiq.get(contact)["job_title"] == "Analyst"
    quiet(seat)


def test_an_edit_of_the_source_that_no_run_has_seen_travels(seat, pair):
    record, contact = pair
    seat.done("undo", writer(seat, "phoneiq"), "--yes")
    seat.job.salesforce.edit(record, Title="Analyst")
    seat.job.settle()
    assert seat.job.salesforce.get(record)["Title"] == "Analyst"
    assert seat.job.phoneiq.get(contact)["job_title"] == "Analyst"
    quiet(seat)


def test_before_the_write_was_seen(seat):
    record, contact = seat.job.pair_up(Title="Clerk")
    seat.job.salesforce.edit(record, Title="Countess")
    seat.job.pipe(TO_PHONEIQ)
    assert seat.job.phoneiq.get(contact)["job_title"] == "Countess"
    take_back(seat, runs=4)
    assert seat.job.phoneiq.get(contact)["job_title"] == "Clerk"
    assert seat.job.salesforce.get(record)["Title"] == "Countess"
    quiet(seat)


def test_values_come_back_as_they_were_written(seat):
    contact = seat.job.phoneiq.create(
        first_name="Ada", last_name="Lovelace", mobile_phone=NUMBER,
        home_phone="0151 2345 6789", country="Germany", email="Ada@Example.com",
    )  # fmt: skip
    seat.job.settle()
    (row,) = seat.job.salesforce.live()
    record = row["Id"]
    seat.job.salesforce.edit(record, Email="ada.l@example.com", HomePhone="+442079460958")
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["home_phone"] == "+442079460958"
    take_back(seat)
    found = seat.job.phoneiq.get(contact)
    assert found["home_phone"] == "0151 2345 6789"
    assert found["email"] == "Ada@Example.com"
    quiet(seat)


def test_a_country_and_a_number_beside_it(seat):
    """The national text means the same number again, in its old country."""
    record, contact = seat.job.pair_up(MailingCountry="Germany", HomePhone="030 901820")
    seat.job.phoneiq.edit(contact, home_phone="030 901820")
    seat.job.settle()
    seat.job.salesforce.edit(record, MailingCountry="France", HomePhone="01 42 68 53 00")
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["home_phone"] == "+33142685300"
    take_back(seat)
    found = seat.job.phoneiq.get(contact)
    assert (found["country"], found["home_phone"]) == ("Germany", "030 901820")
    assert seat.job.salesforce.get(record)["MailingCountry"] == "France"
    quiet(seat)


def test_only_the_country_was_written(seat):
    record, contact = seat.job.pair_up(MailingCountry="Germany", HomePhone="+493090182000")
    seat.job.phoneiq.edit(contact, home_phone="030 90182000")
    seat.job.settle()
    seat.job.salesforce.edit(record, MailingCountry="France")
    seat.job.settle()
    take_back(seat)
    found = seat.job.phoneiq.get(contact)
    assert found["country"] == "Germany"
    assert found["home_phone"] in {"+493090182000", "030 90182000"}
    quiet(seat)


def test_two_runs_one_after_the_other(seat, pair):
    record, contact = pair
    first = writer(seat, "phoneiq")
    seat.job.salesforce.edit(record, Title="Analyst")
    seat.job.settle()
    seat.done("undo", writer(seat, "phoneiq"), "--yes")
    seat.done("undo", first, "--yes")
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["job_title"] == "Clerk"
    assert seat.job.salesforce.get(record)["Title"] == "Analyst"
    quiet(seat)


def test_two_runs_with_a_job_between(seat, pair):
    record, contact = pair
    first = writer(seat, "phoneiq")
    seat.job.salesforce.edit(record, Title="Analyst")
    seat.job.settle()
    take_back(seat)
    assert seat.job.phoneiq.get(contact)["job_title"] == "Countess"
    take_back(seat, run=first)
    assert seat.job.phoneiq.get(contact)["job_title"] == "Clerk"
    assert seat.job.salesforce.get(record)["Title"] == "Analyst"
    quiet(seat)


def test_an_undo_is_taken_back(seat, pair):
    _, contact = pair
    take_back(seat)
    take_back(seat)
    assert seat.job.phoneiq.get(contact)["job_title"] == "Countess"
    quiet(seat)


def test_it_is_typed_twice(seat, pair):
    _, contact = pair
    run = writer(seat, "phoneiq")
    seat.done("undo", run, "--yes")
    take_back(seat, run=run)
    assert len(seat.job.phoneiq.written) == 1
    assert "1 field: taken back already" in seat.done("undo", run, "--yes").words
    quiet(seat)
    assert seat.job.phoneiq.get(contact)["job_title"] == "Clerk"


def test_an_equal_earlier_write_while_a_later_one_is_taken_back(seat, pair):
    record, contact = pair
    first = writer(seat, "phoneiq")
    for title in ("Analyst", "Countess"):
        seat.job.salesforce.edit(record, Title=title)
        seat.job.settle()
    seat.done("undo", writer(seat, "phoneiq"), "--yes")
    said = take_back(seat, run=first)
    assert "1 field: taken back already" in said.words
    assert seat.job.phoneiq.get(contact)["job_title"] == "Analyst"
    quiet(seat)


def test_lost_on_its_way_it_is_sent_again(seat, pair):
    _, contact = pair
    seat.done("undo", writer(seat, "phoneiq"), "--yes")
    for pipe in (OBSERVE, TO_PHONEIQ):
        seat.job.pipe(pipe, target=lost_from(0))
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["job_title"] == "Clerk"
    quiet(seat)


def test_a_table_of_values(start):
    seat = start(
        field_mappings={
            "Contact": [
                {"salesforce": "FirstName", "phoneiq": "first_name"},
                {"salesforce": "LastName", "phoneiq": "last_name"},
                {"salesforce": "MobilePhone", "phoneiq": "mobile_phone"},
                {
                    "salesforce": "Rating__c",
                    "phoneiq": "job_title",
                    "values": {"Web": "online", "Phone Inquiry": "call"},
                },
            ]
        }
    )
    record, contact = seat.job.pair_up(Rating__c="Web")
    seat.job.phoneiq.edit(contact, job_title="call")
    seat.job.settle()
    assert seat.job.salesforce.get(record)["Rating__c"] == "Phone Inquiry"
    take_back(seat, "salesforce")
    assert seat.job.salesforce.get(record)["Rating__c"] == "Web"
    assert seat.job.phoneiq.get(contact)["job_title"] == "call"
    quiet(seat)


@pytest.mark.parametrize("style", ["national", "international", "e164"])
def test_numbers_in_the_format_of_salesforce(start, style):
    seat = start(salesforce_phone_format=style)
    record, contact = seat.job.pair_up(HomePhone="415-555-0143", MailingCountry="USA")
    seat.job.phoneiq.edit(contact, home_phone="+442079460958")
    seat.job.settle()
    take_back(seat, "salesforce")
    assert seat.job.salesforce.get(record)["HomePhone"] == "415-555-0143"
    quiet(seat)


def test_a_text_that_is_no_number(seat):
    record, contact = seat.job.pair_up()
    seat.job.phoneiq.edit(contact, home_phone="ask Bob")
    seat.job.settle()
    seat.job.salesforce.edit(record, HomePhone="+442079460958")
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["home_phone"] == "+442079460958"
    take_back(seat)
    assert seat.job.phoneiq.get(contact)["home_phone"] == "ask Bob"
    quiet(seat)


# --- created records -----------------------------------------------------------------------


@pytest.mark.parametrize("on_delete", ["keep", "propagate"])
def test_a_created_contact_is_deleted_and_its_source_stays(start, on_delete):
    seat = start(on_delete=on_delete)
    record, _contact = seat.job.pair_up()
    said = take_back(seat)
    assert "1 record in PhoneIQ that it created: deleted" in said.words
    assert seat.job.phoneiq.live() == []
    assert not seat.job.salesforce.get(record)["IsDeleted"]
    quiet(seat)
    assert seat.job.phoneiq.live() == []
    assert {one["reason"] for one in seat.json("skips")} == {"released"}
    seat.job.salesforce.edit(record, Title="Countess")
    seat.job.settle()
    assert len(seat.job.phoneiq.live()) == 1


@pytest.mark.parametrize("on_delete", ["keep", "propagate"])
@pytest.mark.parametrize("external_id", [None, EXTERNAL_ID])
def test_a_created_record_is_deleted(start, on_delete, external_id):
    seat = start(on_delete=on_delete, salesforce_external_id_field=external_id)
    seat.job.phoneiq.create(first_name="Ada", last_name="Lovelace", mobile_phone=NUMBER)
    seat.job.settle()
    (_record,) = seat.job.salesforce.live()
    take_back(seat, "salesforce")
    assert seat.job.salesforce.live() == []
    quiet(seat)
    assert len(seat.job.phoneiq.live()) == 1
    assert seat.job.salesforce.live() == []


def test_a_created_contact_that_was_edited_stays(seat):
    _record, contact = seat.job.pair_up()
    run = writer(seat, "phoneiq")
    seat.job.phoneiq.edit(contact, job_title="Countess")
    seat.job.settle()
    said = seat.done("undo", run, "--yes")
    assert "1 created record: edited since" in said.words
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["deleted_at"] is None


def test_a_created_contact_that_is_edited_before_the_run_stays(seat):
    record, contact = seat.job.pair_up()
    seat.done("undo", writer(seat, "phoneiq"), "--yes")
    seat.job.phoneiq.edit(contact, job_title="Countess")
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["deleted_at"] is None
    assert seat.job.salesforce.get(record)["Title"] == "Countess"
    quiet(seat)


def test_a_created_contact_that_no_run_has_seen(seat):
    seat.job.salesforce.create("Contact", FirstName="Ada", LastName="L", MobilePhone=NUMBER)
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ)
    said = seat.done("undo", writer(seat, "phoneiq"), "--yes")
    assert "not seen by a run yet" in said.words
    assert "nothing is left to take back" in said.words


def test_more_than_max_delete_percent(start):
    seat = start(max_delete_percent=50)
    seat.job.pair_up()
    run = writer(seat, "phoneiq")
    said = seat.refused("undo", run, "--yes")
    assert "of 1 of 1 pairs, more than max_delete_percent allows (50%)" in said.words
    seat.done("undo", run, "--yes", "--force")
    seat.job.settle()
    assert seat.job.phoneiq.live() == []
    quiet(seat)


# --- what is said --------------------------------------------------------------------------


def test_without_a_yes_nothing_is_taken_back(seat, pair):
    run = writer(seat, "phoneiq")
    said = seat.refused("undo", run, says="n\n")
    assert f"run {run} (salesforce-to-phoneiq" in said.words
    quiet(seat)


def test_the_plan_shows_it(seat, pair):
    _record, contact = pair
    seat.done("undo", writer(seat, "phoneiq"), "--yes")
    plan = seat.json("plan")
    (write,) = plan["writes"]
    assert write["id"] == contact
    assert write["changes"]["job_title"] == {"old": "Countess", "new": "Clerk", "why": "undone"}


def test_explain_shows_it(seat, pair):
    _, contact = pair
    take_back(seat)
    (found,) = seat.json("explain", contact)
    (title,) = (row for row in found["fields"] if row["field"] == "Title>job_title")
    assert title["last"]["why"] == "undone"
    assert "the sides keep different values" in seat.done("explain", contact).words


@pytest.mark.parametrize(
    ("run", "parts"),
    [("99", ["there is no run 99", "history"]), ("0", ["0 is not in the range"]), ("x", ["'x'"])],
)
def test_a_run_that_is_none(seat, run, parts):
    seat.job.pair_up()
    said = seat.refused("undo", run, "--yes")
    for part in parts:
        assert part in said.words


def test_a_run_that_wrote_nothing(seat):
    seat.job.pair_up()
    run = next(str(one["run"]) for one in seat.json("history") if one["pipe"] == "observe-phoneiq")
    assert "wrote nothing" in seat.done("undo", run, "--yes").words


def test_a_backup_is_made_before(seat, pair):
    assert "a backup of the ledger: " in seat.done("undo", writer(seat, "phoneiq"), "--yes").text


def test_while_the_sync_is_paused(seat, pair):
    _, contact = pair
    seat.done("pause")
    said = seat.done("undo", writer(seat, "phoneiq"), "--yes")
    assert "resume" in said.words
    seat.job.run()
    assert seat.job.phoneiq.get(contact)["job_title"] == "Countess"
    seat.done("resume")
    seat.job.settle()
    assert seat.job.phoneiq.get(contact)["job_title"] == "Clerk"


def test_of_a_deleted_sync(seat, pair):
    run = writer(seat, "phoneiq")
    seat.done("delete", "--yes")
    assert "the sync is deleted" in seat.refused("undo", run, "--yes").words


def test_a_direction_that_does_not_write_there_any_more(start):
    seat = start()
    record, contact = seat.job.pair_up(Title="Clerk")
    seat.job.salesforce.edit(record, Title="Countess")
    seat.job.settle()
    seat.job.settings["sync_direction"] = "phoneiq_to_salesforce"
    seat.job.settle()
    said = seat.done("undo", writer(seat, "phoneiq"), "--yes")
    assert "1 write: sync_direction does not write there any more" in said.words
    quiet(seat)
    assert seat.job.phoneiq.get(contact)["job_title"] == "Countess"
