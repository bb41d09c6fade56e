"""Merging a pair, field by field."""

from __future__ import annotations

import pytest
from reconciler.model import PHONEIQ, SALESFORCE, UNSET
from reconciler.rules.merging import Rule, decide, merge

from tests.reconciler.job import PIPES, TO_PHONEIQ, TO_SALESFORCE

# The truth table: values of Salesforce, PhoneIQ and the baseline; whose value stands under
# keep_salesforce and under keep_phoneiq.
TABLE = [
    ("only Salesforce changed", "new", "old", "old", SALESFORCE, SALESFORCE),
    ("only Salesforce cleared", None, "old", "old", SALESFORCE, SALESFORCE),
    ("only Salesforce filled", "new", None, None, SALESFORCE, SALESFORCE),
    ("only PhoneIQ changed", "old", "new", "old", PHONEIQ, PHONEIQ),
    ("only PhoneIQ cleared", "old", None, "old", PHONEIQ, PHONEIQ),
    ("only PhoneIQ filled", None, "new", None, PHONEIQ, PHONEIQ),
    ("both changed to the same", "new", "new", "old", None, None),
    ("both cleared", None, None, "old", None, None),
    ("conflict", "one", "two", "old", SALESFORCE, PHONEIQ),
    ("conflict with a clear", None, "two", "old", SALESFORCE, PHONEIQ),
    ("conflict after blank", "one", "two", None, SALESFORCE, PHONEIQ),
    ("neither changed", "old", "old", "old", None, None),
    ("first pairing, equal", "same", "same", UNSET, None, None),
    ("first pairing, both blank", None, None, UNSET, None, None),
    ("first pairing, differ", "one", "two", UNSET, SALESFORCE, PHONEIQ),
    ("first pairing, PhoneIQ blank", "one", None, UNSET, SALESFORCE, SALESFORCE),
    ("first pairing, Salesforce blank", None, "two", UNSET, PHONEIQ, PHONEIQ),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_the_truth_table(row, on_conflict):
    _, salesforce, phoneiq, baseline, *winners = row
    verdict = decide(salesforce, phoneiq, baseline, on_conflict)
    assert (verdict.winner if verdict else None) == winners[on_conflict == "keep_phoneiq"]


def test_the_baseline_moves_only_where_both_sides_agree():
    rules = [Rule(key, to_salesforce=True, to_phoneiq=True) for key in "abcd"]
    merged = merge(
        rules,
        ["same", "one", None, UNSET],
        ["same", "two", None, "kept"],
        ["old", "old", UNSET, "old"],
        "keep_salesforce",
    )
    assert merged.baseline == ["same", "old", None, "old"]
    assert [decision.position for decision in merged.decisions] == [1]


# Through the pipes.


def test_only_salesforce_changed(job):
    record, contact = job.pair_up(Title="Countess", Email="ada@example.org")
    job.salesforce.edit(record, Title="Analyst")
    job.settle()
    assert [one.fields for one in job.phoneiq.written] == [{"job_title": "Analyst"}]
    assert job.salesforce.written == []
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"


def test_only_phoneiq_changed(job):
    record, contact = job.pair_up(Title="Countess", Email="ada@example.org")
    job.phoneiq.edit(contact, job_title="Analyst")
    job.settle()
    assert [one.fields for one in job.salesforce.written] == [{"Title": "Analyst"}]
    assert job.phoneiq.written == []
    assert job.salesforce.get(record)["Title"] == "Analyst"


def test_different_fields_changed_on_both_sides_at_once(job):
    record, contact = job.pair_up(Title="Countess", Email="ada@example.org")
    job.salesforce.edit(record, Title="Analyst")
    job.phoneiq.edit(contact, email="king@example.org")
    job.settle()
    assert [one.fields for one in job.phoneiq.written] == [{"job_title": "Analyst"}]
    assert [one.fields for one in job.salesforce.written] == [{"Email": "king@example.org"}]


def test_both_changed_to_the_same_value(job):
    record, contact = job.pair_up(Title="Countess")
    job.salesforce.edit(record, Title="Analyst")
    job.phoneiq.edit(contact, job_title="Analyst")
    job.settle()
    assert job.salesforce.written == job.phoneiq.written == []
    # The baseline has moved: one change from here is a change, not a conflict.
    job.phoneiq.edit(contact, job_title="Countess")
    job.settle()
    assert job.salesforce.get(record)["Title"] == "Countess"


@pytest.mark.parametrize(
    ("on_conflict", "value"), [("keep_salesforce", "from Sf"), ("keep_phoneiq", "from PIQ")]
)
def test_both_changed_to_different_values(start, on_conflict, value):
    job = start(on_conflict=on_conflict)
    record, contact = job.pair_up(Title="Countess")
    job.salesforce.edit(record, Title="from Sf")
    job.phoneiq.edit(contact, job_title="from PIQ")
    summaries = [passed.summary["conflicts"] for passed in job.run()]
    assert [one for one in summaries if one] == [{on_conflict: 1}]
    job.settle()
    assert job.salesforce.get(record)["Title"] == value
    assert job.phoneiq.get(contact)["job_title"] == value


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_clearing_a_field_travels_like_any_change(start, on_conflict):
    job = start(on_conflict=on_conflict)
    record, contact = job.pair_up(Title="Countess", Email="ada@example.org")
    job.salesforce.edit(record, Title=None)
    job.phoneiq.edit(contact, email="")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] is None
    assert job.salesforce.get(record)["Email"] is None


def test_a_clear_in_conflict_follows_on_conflict(start):
    job = start(on_conflict="keep_salesforce")
    record, contact = job.pair_up(Title="Countess")
    job.salesforce.edit(record, Title=None)
    job.phoneiq.edit(contact, job_title="Analyst")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] is None


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_first_pairing(start, on_conflict):
    job = start(on_conflict=on_conflict)
    record = job.salesforce.create(
        "Contact", FirstName="Ada", LastName="King", Title="Countess", MobilePhone="+14155550132"
    )
    contact = job.phoneiq.create(
        first_name="Ada",
        last_name="Lovelace",
        email="ada@example.org",
        mobile_phone="+14155550132",
    )
    job.settle()
    name = "King" if on_conflict == "keep_salesforce" else "Lovelace"
    for values in (
        job.salesforce.get(record),
        {"LastName": job.phoneiq.get(contact)["last_name"]},
    ):
        assert values["LastName"] == name
    # A blank never overwrites: it is filled from the other side.
    assert job.phoneiq.get(contact)["job_title"] == "Countess"
    assert job.salesforce.get(record)["Email"] == "ada@example.org"
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 1


def test_first_pairing_fills_only_where_the_direction_allows(start):
    job = start(sync_direction="salesforce_to_phoneiq", on_conflict="keep_phoneiq")
    record = job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    contact = job.phoneiq.create(
        first_name="Augusta", email="ada@example.org", mobile_phone="+14155550132"
    )
    job.settle()
    assert job.salesforce.written == []
    assert job.salesforce.get(record)["Email"] is None
    assert job.phoneiq.get(contact)["first_name"] == "Augusta"
    assert job.phoneiq.get(contact)["last_name"] == "Doe"


@pytest.mark.parametrize(
    ("direction", "to_phoneiq", "to_salesforce"),
    [
        ("both", True, True),
        ("salesforce_to_phoneiq", True, False),
        ("phoneiq_to_salesforce", False, True),
    ],
)
def test_the_direction_of_the_sync(start, direction, to_phoneiq, to_salesforce):
    job = start()
    record, contact = job.pair_up(Title="Countess", Email="ada@example.org")
    job.settings["sync_direction"] = direction
    job.salesforce.edit(record, Title="Analyst")
    job.phoneiq.edit(contact, email="king@example.org")
    job.salesforce.create("Contact", FirstName="New", MobilePhone="+14155550177")
    job.phoneiq.create(first_name="New", mobile_phone="+14155550188")
    job.settle()
    assert (job.phoneiq.get(contact)["job_title"] == "Analyst") is to_phoneiq
    assert (job.salesforce.get(record)["Email"] == "king@example.org") is to_salesforce
    assert len(job.phoneiq.live()) == 2 + to_phoneiq
    assert len(job.salesforce.live()) == 2 + to_salesforce
    if not to_phoneiq:
        assert job.phoneiq.written == []
    if not to_salesforce:
        assert job.salesforce.written == []


@pytest.mark.parametrize(
    ("direction", "to_phoneiq", "to_salesforce"),
    [("salesforce_to_phoneiq", True, False), ("phoneiq_to_salesforce", False, True)],
)
def test_the_direction_of_one_mapping(start, direction, to_phoneiq, to_salesforce):
    rows = [
        {"salesforce": "FirstName", "phoneiq": "first_name"},
        {"salesforce": "LastName", "phoneiq": "last_name"},
        {"salesforce": "MobilePhone", "phoneiq": "mobile_phone"},
        {"salesforce": "Title", "phoneiq": "job_title", "direction": direction},
        {"salesforce": "Email", "phoneiq": "email", "direction": direction},
    ]
    job = start(field_mappings={"Contact": rows})
    record, contact = job.pair_up()
    job.salesforce.edit(record, Title="Analyst", LastName="King")
    job.phoneiq.edit(contact, email="king@example.org", first_name="Augusta")
    job.settle()
    assert (job.phoneiq.get(contact)["job_title"] == "Analyst") is to_phoneiq
    assert (job.salesforce.get(record)["Email"] == "king@example.org") is to_salesforce
    assert job.phoneiq.get(contact)["last_name"] == "King"
    assert job.salesforce.get(record)["FirstName"] == "Augusta"


def test_company_only_travels_to_phoneiq(job):
    record, contact = job.pair_up("Lead", Company="Acme")
    assert job.phoneiq.get(contact)["company"] == "Acme"
    job.phoneiq.edit(contact, company="Babbage & Co")
    job.settle()
    assert job.salesforce.get(record)["Company"] == "Acme"
    job.salesforce.edit(record, Company="Engines Ltd")
    job.settle()
    assert job.phoneiq.get(contact)["company"] == "Engines Ltd"


def test_fields_that_are_not_mapped_are_left_alone(job):
    record, contact = job.pair_up(Description="secret")
    job.phoneiq.edit(contact, notes="mine", job_title="Analyst")
    job.salesforce.edit(record, Description="still secret", Email="ada@example.org")
    job.settle()
    assert job.salesforce.get(record)["Description"] == "still secret"
    assert job.phoneiq.get(contact)["notes"] == "mine"


def test_a_field_that_the_tap_does_not_deliver_is_left_as_it_is(job):
    record, contact = job.pair_up(Title="Countess")

    def unselected(messages):
        for message in messages:
            if message["type"] == "RECORD":
                message["record"].pop("Title")
        return messages

    job.salesforce.edit(record, Email="ada@example.org")
    passed = job.pipe(TO_PHONEIQ, tap=unselected)
    assert [record.get("email") for record in passed.records] == ["ada@example.org"]
    assert "job_title" not in passed.records[0]
    assert job.pipe(TO_SALESFORCE).records == []
    assert job.phoneiq.get(contact)["job_title"] == "Countess"


def test_an_edit_between_two_pipes_of_one_run_is_kept(job):
    record, contact = job.pair_up(Title="Countess", Email="ada@example.org")
    job.salesforce.edit(record, Title="Analyst")
    for pipe in PIPES:
        job.pipe(pipe)
        job.phoneiq.edit(contact, email=f"{pipe}@example.org")
    job.settle()
    assert job.salesforce.get(record)["Email"] == f"{TO_SALESFORCE}@example.org"
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"
