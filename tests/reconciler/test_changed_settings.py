"""A changed setting is noticed, and every pair planned again from what the ledger holds."""

from __future__ import annotations

import pytest

from tests.reconciler.job import OBSERVE, PIPES, TO_PHONEIQ

NEEDED = [
    {"salesforce": "FirstName", "phoneiq": "first_name"},
    {"salesforce": "LastName", "phoneiq": "last_name"},
    {"salesforce": "MobilePhone", "phoneiq": "mobile_phone"},
]
TITLE = {"salesforce": "Title", "phoneiq": "job_title"}
RATING = {"salesforce": "Rating__c", "phoneiq": "custom_segment"}
NOTICED = "the settings have changed: every pair is planned again"
FULL_REFRESH = "meltano run --full-refresh contact-sync"


def mappings(*rows):
    return {"Contact": [*NEEDED, *rows]}


def nothing_new(messages):
    """An extract in which nothing has changed."""
    return [message for message in messages if message["type"] != "RECORD"]


def run(job):
    """The job, while nobody changes anything: no tap delivers a record."""
    passed = []
    for pipe in PIPES:
        state = job.states[pipe]
        passed.append(job.pipe(pipe, tap=nothing_new))
        # What was left out is still to come.
        job.states[pipe] = state
    assert [one.code for one in passed] == [0, 0, 0], passed[-1].text
    assert [one.summary["read"] for one in passed] == [0, 0, 0]
    return passed


def test_a_change_is_noticed_once(job):
    job.pair_up()
    assert not any(NOTICED in one.text for one in run(job))
    job.settings["on_conflict"] = "keep_phoneiq"
    assert [NOTICED in one.text for one in run(job)] == [True, False, False]
    assert not any(NOTICED in one.text for one in run(job))


def test_what_is_the_same_in_other_words_is_no_change(job):
    job.pair_up()
    job.settings |= {"on_conflict": "keep_salesforce", "objects": '["Contact", "Lead"]'}
    assert not any(NOTICED in one.text for one in run(job))


def test_a_mapping_that_is_added_is_planned_without_an_extract(start):
    job = start(field_mappings=mappings())
    record, contact = job.pair_up(Title="Countess")
    other, its_contact = job.pair_up(MobilePhone="+14155550177")
    job.phoneiq.edit(its_contact, job_title="Analyst")
    job.settle()
    job.forget_written()
    job.settings["field_mappings"] = mappings(TITLE)
    run(job)
    assert [(one.id, one.fields) for one in job.phoneiq.written] == [
        (contact, {"job_title": "Countess"})
    ]
    assert [(one.id, one.fields) for one in job.salesforce.written] == [
        (other, {"Title": "Analyst"})
    ]
    assert job.salesforce.get(record)["Title"] == "Countess"


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_a_field_that_is_mapped_anew_has_no_baseline(start, on_conflict):
    job = start(field_mappings=mappings(), on_conflict=on_conflict)
    record, contact = job.pair_up(Title="Countess")
    job.phoneiq.edit(contact, job_title="Analyst")
    job.settle()
    job.settings["field_mappings"] = mappings(TITLE)
    run(job)
    value = "Countess" if on_conflict == "keep_salesforce" else "Analyst"
    assert job.salesforce.get(record)["Title"] == job.phoneiq.get(contact)["job_title"] == value


def test_when_a_record_was_created_can_be_mapped_later(start):
    job = start(field_mappings=mappings())
    record, contact = job.pair_up()
    created = {"salesforce": "CreatedDate", "phoneiq": "custom_segment"}
    name = {"salesforce": "Id", "phoneiq": "notes"}
    only_there = {"direction": "salesforce_to_phoneiq"}
    job.settings["field_mappings"] = mappings(created | only_there, name | only_there)
    run(job)
    assert job.phoneiq.get(contact)["custom_segment"] == job.salesforce.get(record)["CreatedDate"]
    assert job.phoneiq.get(contact)["notes"] == record


def test_a_mapping_that_leads_elsewhere_leaves_what_it_wrote(start):
    job = start(field_mappings=mappings(TITLE))
    _, contact = job.pair_up(Title="Countess")
    job.settings["field_mappings"] = mappings(TITLE | {"phoneiq": "notes"})
    run(job)
    assert job.phoneiq.get(contact)["notes"] == "Countess"
    assert job.phoneiq.get(contact)["job_title"] == "Countess"


def test_a_mapping_that_is_taken_out_is_forgotten(start):
    job = start(field_mappings=mappings(TITLE))
    record, contact = job.pair_up(Title="Countess")
    job.settings["field_mappings"] = mappings()
    job.salesforce.edit(record, Title="Analyst")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "Countess"
    assert job.phoneiq.written == []


def test_the_direction_of_the_sync(job):
    record, contact = job.pair_up(Title="Countess")
    job.settings["sync_direction"] = "phoneiq_to_salesforce"
    job.salesforce.edit(record, Title="Analyst")
    job.salesforce.create("Contact", FirstName="New", MobilePhone="+14155550177")
    job.settle()
    assert job.phoneiq.written == []
    job.settings["sync_direction"] = "both"
    run(job)
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"
    assert len(job.phoneiq.live()) == 2


def test_the_direction_of_the_sync_while_a_create_is_under_way(job):
    job.settle()
    contact = job.phoneiq.create(first_name="Ada", mobile_phone="+14155550132")
    job.run()
    job.phoneiq.edit(contact, first_name="Augusta")
    job.settings["sync_direction"] = "salesforce_to_phoneiq"
    job.settle()
    # What Salesforce shows is what was sent: only PhoneIQ has changed since.
    assert job.phoneiq.get(contact)["first_name"] == "Augusta"
    assert job.record_of(contact)["FirstName"] == "Ada"


def test_the_direction_of_a_mapping(start):
    one_way = TITLE | {"direction": "phoneiq_to_salesforce"}
    job = start(field_mappings=mappings(one_way))
    record, contact = job.pair_up()
    job.salesforce.edit(record, Title="Analyst")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] is None
    job.settings["field_mappings"] = mappings(TITLE)
    run(job)
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"


def test_the_list_of_objects(start):
    job = start(objects=["Contact"])
    lead = job.salesforce.create("Lead", FirstName="Lee", Phone="+14155550171")
    account = job.salesforce.create("Account", Name="Acme", Phone="+14155550172")
    person = job.salesforce.create(
        "Account", FirstName="Ada", LastName="King", Phone="+14155550173"
    )
    record, _ = job.pair_up()
    job.settings["objects"] = ["Contact", "Lead", "Account", "PersonAccount"]
    run(job)
    assert {row["salesforce_id"] for row in job.phoneiq.live()} == {record, lead, account, person}
    job.forget_written()
    job.settings["objects"] = ["Contact"]
    run(job)
    job.settings["objects"] = ["PersonAccount", "Account", "Lead", "Contact"]
    job.settle()
    assert job.phoneiq.written == job.salesforce.written == []


def test_on_conflict_decides_only_what_is_still_open(job):
    record, contact = job.pair_up(Title="Countess")
    job.salesforce.edit(record, Title="from Salesforce")
    job.phoneiq.edit(contact, job_title="from PhoneIQ")
    # The write of the first decision is lost.
    job.pipe(OBSERVE)
    job.pipe(TO_PHONEIQ, target=nothing_new)
    job.settings["on_conflict"] = "keep_phoneiq"
    job.settle()
    assert job.salesforce.get(record)["Title"] == "from PhoneIQ"
    assert job.phoneiq.get(contact)["job_title"] == "from PhoneIQ"
    job.settings["on_conflict"] = "keep_salesforce"
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "from PhoneIQ"


def test_the_default_region_there_and_back(start):
    job = start(default_region="DE")
    record = job.salesforce.create("Contact", FirstName="Eva", MobilePhone="030 901820")
    job.settle()
    job.forget_written()
    job.settings["default_region"] = "US"
    # The text was read once, and has not changed.
    assert run(job)[1].summary["skipped"] == {}
    job.settings["default_region"] = "DE"
    assert run(job)[1].summary["skipped"] == {}
    assert job.phoneiq.written == job.salesforce.written == []
    job.salesforce.edit(record, Title="Boss")
    job.settle()
    assert job.contact_of(record)["job_title"] == "Boss"


def test_a_number_that_another_region_makes_the_same_pairs(start):
    job = start(default_region="US", sync_direction="phoneiq_to_salesforce")
    record = job.salesforce.create("Contact", FirstName="Eva", MobilePhone="030 901820")
    contact = job.phoneiq.create(first_name="Eva", mobile_phone="+49 30 901820")
    job.phoneiq.edit(contact, salesforce_object="Account")
    job.settle()
    job.settings |= {"default_region": "DE", "sync_direction": "both"}
    run(job)
    assert job.contact_of(record)["id"] == contact


def test_an_object_that_a_contact_could_not_become(start):
    job = start(objects=["Contact"])
    job.phoneiq.create(first_name="Ada", mobile_phone="+14155550132", salesforce_object="Lead")
    assert job.settle()[2].summary["skipped"] == {"object_not_synced": 1}
    job.settings["objects"] = ["Contact", "Lead"]
    assert run(job)[2].summary["skipped"] == {}
    assert [row["FirstName"] for row in job.salesforce.live("Lead")] == ["Ada"]


def test_a_crash_while_the_ledger_is_read_again_is_made_good(job):
    record, contact = job.pair_up(Title="Countess", Email="ada@example.org")
    job.settings["field_mappings"] = mappings(TITLE | {"phoneiq": "notes"})
    for commit in range(1, 6):
        assert job.pipe(OBSERVE, tap=nothing_new, kill_at_commit=commit).code == 137
    run(job)
    assert job.phoneiq.get(contact)["notes"] == "Countess"
    assert job.salesforce.get(record)["Title"] == "Countess"


# A field that was never extracted.


@pytest.fixture
def never(start):
    """A pair whose ledger never saw the rating, which both sides have."""
    job = start(field_mappings=mappings())
    job.salesforce.unselected = {"Rating__c"}
    record, contact = job.pair_up(Rating__c="Hot")
    job.phoneiq.edit(contact, custom_segment="vip")
    job.settle()
    job.forget_written()
    job.settings["field_mappings"] = mappings(RATING)
    return job, record, contact


def test_a_field_that_was_never_extracted_is_named_and_left_alone(never):
    job, record, contact = never
    passed = run(job)
    (said,) = [line for line in passed[0].log if "Contact.Rating__c" in line]
    assert "was not extracted for 1 of the stored records" in said
    assert FULL_REFRESH in said
    assert "custom_segment" not in passed[0].text
    assert job.phoneiq.written == job.salesforce.written == []
    # Edits of other fields, and of this one in PhoneIQ, do not touch it.
    job.salesforce.edit(record, LastName="King")
    job.phoneiq.edit(contact, custom_segment="gold")
    passed = job.run()
    assert "Contact.Rating__c is mapped, but the tap does not deliver it" in passed[1].text
    assert FULL_REFRESH in passed[1].text
    job.settle()
    assert job.salesforce.get(record)["Rating__c"] == "Hot"
    assert job.phoneiq.get(contact)["custom_segment"] == "gold"


def test_what_it_says_to_type_makes_it_good(never):
    job, record, contact = never
    run(job)
    job.salesforce.unselected.clear()
    job.states.clear()
    passed = job.settle()
    assert "Rating__c" not in passed[1].text
    assert job.phoneiq.get(contact)["custom_segment"] == job.salesforce.get(record)["Rating__c"]
    assert job.salesforce.get(record)["Rating__c"] == "Hot"


def test_where_some_records_have_it_and_others_do_not_absent_is_not_null(never):
    job, record, contact = never
    job.settings["field_mappings"] = mappings()
    job.clock.wait(300)
    job.pair_up(MobilePhone="+14155550179")
    # Selected at last, but only what changes is extracted.
    job.salesforce.unselected.clear()
    others = [
        job.pair_up(MobilePhone=f"+1415555017{number}", Rating__c="Cold") for number in range(2)
    ]
    job.settings["field_mappings"] = mappings(RATING)
    passed = job.run()
    assert "the tap does not deliver it" not in passed[1].text
    (said,) = [line for line in passed[0].log if "Contact.Rating__c" in line]
    assert "was not extracted for 1 of the stored records" in said
    job.settle()
    assert [job.phoneiq.get(one)["custom_segment"] for _, one in others] == ["Cold", "Cold"]
    assert job.phoneiq.get(contact)["custom_segment"] == "vip"
    assert job.salesforce.get(record)["Rating__c"] == "Hot"


def test_a_field_of_the_account_that_was_never_extracted(start):
    job = start(field_mappings=mappings())
    job.salesforce.unselected = {"Industry"}
    account = job.salesforce.create("Account", Industry="Banking")
    _, contact = job.pair_up(AccountId=account)
    job.phoneiq.edit(contact, custom_segment="vip")
    job.settle()
    industry = {
        "salesforce": "Account.Industry",
        "phoneiq": "custom_segment",
        "direction": "salesforce_to_phoneiq",
    }
    job.settings["field_mappings"] = mappings(industry)
    passed = run(job)
    (said,) = [line for line in passed[0].log if "Account.Industry" in line]
    assert "was not extracted for 1 of the stored records" in said
    assert job.phoneiq.get(contact)["custom_segment"] == "vip"
    job.salesforce.edit(account, Name="Acme International")
    passed = job.run()
    assert "Account.Industry is mapped, but the tap does not deliver it" in passed[1].text
    assert job.phoneiq.get(contact)["custom_segment"] == "vip"


def test_deleted_records_and_objects_that_are_not_synced_are_not_missed(never):
    job, record, _ = never
    job.settings["objects"] = ["Lead", "Contact"]
    job.salesforce.delete(record)
    job.salesforce.unselected.clear()
    job.settings["field_mappings"] = mappings()
    job.settle()
    job.settings["field_mappings"] = mappings(RATING)
    assert "Rating__c" not in run(job)[0].text


# Records that were released stay so.


@pytest.fixture
def released(job):
    """A contact whose record was deleted, and a record whose contact was deleted."""
    record, left = job.pair_up()
    left_record, contact = job.pair_up(MobilePhone="+14155550177")
    job.salesforce.delete(record)
    job.phoneiq.delete(contact)
    job.settle()
    job.forget_written()
    return left_record, left


@pytest.mark.parametrize(
    "changed",
    [
        {"on_conflict": "keep_phoneiq"},
        {"default_region": "DE"},
        {"objects": ["Contact"]},
        {"objects": ["Lead"]},
        {"shared_phone": "allow"},
        {"field_mappings": mappings(RATING)},
        {"salesforce_external_id_field": "PhoneIQ_Contact_ID__c"},
        {"on_delete": "propagate", "max_delete_percent": 100},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_released_record_stays_released_through_a_change_of_settings(job, released, changed):
    before = dict(job.settings)
    job.settings |= changed
    run(job)
    job.settings.clear()
    job.settings |= before
    run(job)
    job.states.clear()
    job.settle()
    assert job.phoneiq.written == job.salesforce.written == []
    left_record, left = released
    job.salesforce.edit(left_record, Title="Boss")
    job.phoneiq.edit(left, job_title="Boss")
    job.settle()
    assert len(job.phoneiq.live()) == len(job.salesforce.live()) == 2


def test_a_released_record_stays_released_when_a_field_is_extracted_for_the_first_time(start):
    job = start()
    job.salesforce.unselected = {"Rating__c"}
    left_record, contact = job.pair_up(Rating__c="Hot")
    job.phoneiq.delete(contact)
    job.settle()
    job.forget_written()
    job.salesforce.unselected.clear()
    job.states.clear()
    job.settle()
    job.settings["field_mappings"] = mappings(RATING)
    run(job)
    assert job.phoneiq.written == []
    job.salesforce.edit(left_record, Rating__c="Cold")
    job.settle()
    assert [row["custom_segment"] for row in job.phoneiq.live()] == ["Cold"]
