"""Seeing a plan before it is written: dry runs, and plans that a run has to stick to."""

from __future__ import annotations

import json

import pytest
from reconciler.ledger.tables import metadata
from sqlalchemy import create_engine, select

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, TO_SALESFORCE

SECRETS = ("Lovelace", "Hopper", "Grace", "415555", "Countess")


def gathered(seat):
    """A pair with an edit for PhoneIQ, and a contact for Salesforce, both seen and not written."""
    pair = seat.job.pair_up()
    seat.job.salesforce.edit(pair[0], Title="Countess")
    seat.job.phoneiq.create(first_name="Grace", last_name="Hopper", mobile_phone="+14155550143")
    return pair


def untouched(seat):
    return not seat.job.phoneiq.written and not seat.job.salesforce.written


def test_a_dry_run_stores_logs_the_plan_and_writes_nothing(seat):
    _, phoneiq = gathered(seat)
    seat.job.settings["dry_run"] = True
    passed = seat.job.run()
    assert [one.code for one in passed] == [0, 0, 0]
    assert untouched(seat)
    observe, to_phoneiq, to_salesforce = (one.text for one in passed)
    assert "stored only" in observe
    assert f"update phoneiq contact {phoneiq}: job_title" in to_phoneiq
    assert "contact-sync plan --to phoneiq" in to_phoneiq
    assert "create salesforce Contact (new): FirstName" in to_salesforce
    assert not any(secret in one.text for one in passed for secret in SECRETS)
    assert seat.json("plan")["counts"] == {"phoneiq": {"update": 1}, "salesforce": {"create": 1}}


def test_a_run_after_a_dry_run_writes_the_same(seat):
    _, phoneiq = gathered(seat)
    seat.job.settings["dry_run"] = True
    seat.job.run()
    del seat.job.settings["dry_run"]
    passed = seat.job.run()
    assert "the settings have changed" not in passed[0].text
    assert [one.id for one in seat.job.phoneiq.written] == [phoneiq]
    assert len(seat.job.salesforce.written) == 1


def test_the_first_job_may_be_a_dry_run(seat):
    seat.job.settings["dry_run"] = "true"
    seat.job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    passed = seat.job.run()
    assert "1 create" in passed[1].text
    assert untouched(seat)


def test_dry_run_has_to_be_true_or_false(seat):
    seat.job.settings["dry_run"] = "perhaps"
    passed = seat.job.pipe(OBSERVE)
    assert passed.code == 1
    assert "setting 'dry_run' is \"perhaps\"; allowed are true and false" in passed.text


@pytest.fixture
def approved(seat):
    """An approved plan of one update and one create."""
    gathered(seat)
    seat.done("pause")
    seat.job.run()
    seat.done("resume")
    plan = seat.json("plan")["plan"]
    assert f"contact-sync approve {plan}" in seat.done("plan").words
    assert plan in seat.done("approve", plan).words
    assert seat.json("status")["approved_plan"] == plan
    return seat


def test_an_approved_plan_is_written_and_used_up(approved):
    assert [one.code for one in approved.job.run()] == [0, 0, 0]
    assert len(approved.job.phoneiq.written) == 1
    assert len(approved.job.salesforce.written) == 1
    assert approved.json("status")["approved_plan"] is None
    approved.job.settle()


def test_an_edit_after_the_approval_stops_the_run_before_its_first_write(approved):
    job = approved.job
    new = job.salesforce.create("Contact", FirstName="Mary", MobilePhone="+14155550177")
    observe, to_phoneiq = job.run()
    assert (observe.code, to_phoneiq.code) == (0, 1)
    assert not to_phoneiq.records
    assert "the approved plan" in to_phoneiq.text
    assert "1 are new or differ (create phoneiq contact (new)" in to_phoneiq.text
    assert "Mary" not in to_phoneiq.text
    assert untouched(approved)
    status = approved.json("status")
    assert status["colour"] == "red"
    assert status["next"] == "contact-sync plan"
    assert job.run()[-1].code == 1, "it stays so until it is approved again"
    approved.done("approve", approved.json("plan")["plan"])
    assert [one.code for one in job.run()] == [0, 0, 0]
    assert job.contact_of(new)["first_name"] == "Mary"


def test_a_write_that_is_not_needed_any_more_stops_the_run(approved):
    job = approved.job
    record = next(iter(job.salesforce.live("Contact")))["Id"]
    job.salesforce.edit(record, Title=None)
    passed = job.run()[-1]
    assert passed.code == 1
    assert "1 are not needed any more (update phoneiq contact" in passed.text
    assert untouched(approved)


def test_a_withdrawn_approval_stops_nothing(approved):
    approved.job.salesforce.create("Contact", FirstName="Mary", MobilePhone="+14155550177")
    approved.done("approve", "--withdraw")
    assert [one.code for one in approved.job.run()] == [0, 0, 0]
    assert len(approved.job.phoneiq.written) == 2


def test_a_plan_of_yesterday_is_not_approved(approved):
    answer = approved.refused("approve", "0123456789ab")
    plan = approved.json("plan")["plan"]
    assert plan in answer.words
    assert approved.json("status")["approved_plan"] == plan, "the approval before it stands"


def test_a_plan_has_to_be_named(seat):
    seat.job.run()
    assert "contact-sync plan" in seat.refused("approve").words


def test_an_approval_for_one_direction_is_used_up_by_it(start):
    seat = start(sync_direction="salesforce_to_phoneiq")
    gathered(seat)
    seat.done("pause")
    seat.job.run()
    seat.done("resume")
    seat.done("approve", seat.json("plan")["plan"])
    for pipe in (OBSERVE, TO_PHONEIQ, TO_SALESFORCE):
        assert seat.job.pipe(pipe).code == 0
    assert seat.json("status")["approved_plan"] is None


#: Where a contact's title goes is not the default.
CHANGED = json.dumps(
    {
        "Contact": [
            {"salesforce": "FirstName", "phoneiq": "first_name"},
            {"salesforce": "LastName", "phoneiq": "last_name"},
            {"salesforce": "MobilePhone", "phoneiq": "mobile_phone"},
            {"salesforce": "Title", "phoneiq": "city"},
        ]
    }
)


def knowledge(seat):
    """All that the ledger holds, but for its runs and leases."""
    engine = create_engine(seat.job.ledger_url)
    with engine.connect() as connection:
        found = {
            table.name: sorted(map(str, connection.execute(select(table))))
            for table in metadata.sorted_tables
            if table.name not in {"runs", "lease", "claims"}
        }
    engine.dispose()
    return found


def people(seat):
    for number in range(3):
        seat.job.salesforce.create(
            "Contact", FirstName="Ada", Title="Dr.", MobilePhone=f"+1415555013{number}"
        )
    seat.job.settle()
    seat.job.forget_written()


def test_a_plan_with_changed_settings_shows_what_the_next_run_writes(seat):
    people(seat)
    before = knowledge(seat)
    assert "nothing to write" in seat.done("plan").words
    changed = seat.ask("plan", "--json", RECONCILER_FIELD_MAPPINGS=CHANGED)
    plan = json.loads(changed.text)
    assert plan["counts"] == {"phoneiq": {"update": 3}}
    assert knowledge(seat) == before, "a plan leaves nothing behind"
    assert "nothing to write" in seat.done("plan").words
    seat.job.settings["field_mappings"] = json.loads(CHANGED)
    seat.job.run()
    assert len(seat.job.phoneiq.written) == 3


def test_an_approved_plan_with_changed_settings_is_what_the_next_run_writes(seat):
    people(seat)
    plan = json.loads(seat.ask("plan", "--json", RECONCILER_FIELD_MAPPINGS=CHANGED).text)["plan"]
    seat.done("approve", plan, RECONCILER_FIELD_MAPPINGS=CHANGED)
    seat.job.settings["field_mappings"] = json.loads(CHANGED)
    assert [one.code for one in seat.job.run()] == [0, 0, 0]
    assert len(seat.job.phoneiq.written) == 3


def test_a_refused_approval_leaves_the_one_before(seat):
    gathered(seat)
    seat.job.settings["dry_run"] = True
    seat.job.run()
    plan = seat.json("plan")["plan"]
    seat.done("approve", plan)
    before = knowledge(seat)
    seat.refused("approve", "000000000000")
    assert knowledge(seat) == before
    assert seat.json("status")["approved_plan"] == plan


def test_a_dry_run_with_other_settings_leaves_nothing_behind(seat):
    people(seat)
    before = knowledge(seat)
    seat.job.settings |= {"dry_run": True, "field_mappings": json.loads(CHANGED)}
    passed = seat.job.run()
    assert "a run would write to phoneiq: 3 update" in passed[1].text
    after = knowledge(seat)
    for held in (before, after):
        # When each side was read last.
        del held["streams"]
    assert after == before
    assert "nothing to write" in seat.done("plan").words


def test_a_record_that_a_dry_run_with_other_settings_reads(seat):
    """Its number is none for them, and one for the settings that the ledger is planned with."""
    people(seat)
    record = seat.job.salesforce.create("Contact", FirstName="Bob", MobilePhone="030 901820")
    seat.job.settings |= {"dry_run": True, "default_region": "DE"}
    assert "1 create" in seat.job.run()[1].text
    (told,) = seat.json("explain", record)
    assert told["records"][0]["skip"] == "no_valid_phone"
    seat.job.settings = {}
    seat.job.settle()
    assert seat.job.phoneiq.written == []


def test_a_plan_through_meltano_takes_no_setting_from_the_ledger(seat):
    seat.job.settings["field_mappings"] = json.loads(CHANGED)
    people(seat)
    through_meltano = {"MELTANO_USER_AGENT": "Meltano/4", "RECONCILER_SYNC_DIRECTION": "both"}
    seat.job.salesforce.edit(seat.job.salesforce.live()[0]["Id"], Title="Prof.")
    seat.done("pause")
    seat.job.run()
    assert seat.json("plan")["counts"] == {"phoneiq": {"update": 1}}
    plan = json.loads(seat.ask("plan", "--json", **through_meltano).text)
    assert [list(one["changes"]) for one in plan["writes"]].count(["job_title"]) == 3
