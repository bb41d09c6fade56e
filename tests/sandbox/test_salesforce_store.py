"""The store by itself: loading, reopening, sharing between threads."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest
from sandbox.clock import Clock
from sandbox.salesforce import ids
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.loading import LOAD_CHUNK
from sandbox.salesforce.store import SalesforceStore


@pytest.fixture
def store(tmp_path):
    store = SalesforceStore(tmp_path / "salesforce.db", Clock())
    yield store
    store.close()


def test_loaded_records_are_as_given(store):
    loaded = store.load(
        "Contact",
        iter(
            [
                {"LastName": "  Rossi ", "FirstName": "", "SystemModstamp": "2026-01-02T03:04:05Z"},
                {"LastName": "Gone", "IsDeleted": True, "Email": "not checked here"},
                {
                    "LastName": "Own id",
                    "Id": ids.make("Contact", 7),
                    "CreatedDate": datetime(2026, 1, 2, tzinfo=timezone.utc),
                },
                {"LastName": "Next"},
            ]
        ),
    )
    assert loaded == 4
    first, gone, own, following = store.list("Contact", include_deleted=True)
    assert (first["LastName"], first["FirstName"], first["Name"]) == ("Rossi", None, "Rossi")
    assert first["SystemModstamp"] == "2026-01-02T03:04:05.000+0000"
    assert (gone["IsDeleted"], gone["Email"]) == (True, "not checked here")
    assert own["CreatedDate"] == "2026-01-02T00:00:00.000+0000"
    assert [each["Id"] for each in (own, following)] == [ids.make("Contact", n) for n in (7, 8)]
    assert store.count("Contact") == 3
    assert store.count("Contact", include_deleted=True) == 4


def test_loading_past_one_chunk_and_twice(store):
    size = LOAD_CHUNK + 3
    for start in (0, size):
        rows = ({"LastName": "A", "PhoneIQ_Contact_ID__c": f"pc_{start + n}"} for n in range(size))
        store.load("Contact", rows)
    assert store.count("Contact") == 2 * size
    # The indexes are back: the external id is unique again.
    with pytest.raises(SalesforceError) as caught:
        store.create("Contact", {"LastName": "A", "PhoneIQ_Contact_ID__c": "pc_5"})
    assert caught.value.code == "DUPLICATE_VALUE"
    plan = store.read("EXPLAIN QUERY PLAN SELECT Id FROM Contact WHERE SystemModstamp >= 1")
    assert "Contact_SystemModstamp" in plan[0][-1]


def test_person_accounts_load_with_their_contacts(store):
    store.load("Contact", [{"LastName": "Before"}])
    store.load(
        "Account",
        [
            {"Name": "Acme"},
            {
                "FirstName": "Ada",
                "LastName": "Rossi",
                "IsPersonAccount": True,
                "PersonEmail": "a@b.co",
            },
            {"LastName": "Gone", "IsPersonAccount": True, "IsDeleted": True},
        ],
    )
    company, person, gone = store.list("Account", include_deleted=True)
    assert (company["IsPersonAccount"], company["PersonContactId"]) == (False, None)
    assert (person["Name"], person["IsPersonAccount"]) == ("Ada Rossi", True)
    shadow = store.get("Contact", person["PersonContactId"])
    assert (shadow["Name"], shadow["Email"], shadow["AccountId"], shadow["IsPersonAccount"]) == (
        *("Ada Rossi", "a@b.co", person["Id"], True),
    )
    assert store.get("Contact", gone["PersonContactId"])["IsDeleted"] is True
    store.edit("Account", person["Id"], {"PersonEmail": "c@d.co"})
    assert store.get("Contact", shadow["Id"])["Email"] == "c@d.co"


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([{"LastName": "x" * 81}], SalesforceError),
        ([{"LastName": "A", "AccountId": "nobody"}], SalesforceError),
        ([{"LastName": "A", "Shoe__c": 1}], KeyError),
        ([{"LastName": "A", "PhoneIQ_Contact_ID__c": "x"}] * 2, sqlite3.IntegrityError),
    ],
)
def test_a_load_that_fails_leaves_nothing(store, rows, error):
    with pytest.raises(error):
        store.load("Contact", [{"LastName": "Good"}, *rows])
    assert store.count("Contact") == 0
    assert store.load("Contact", [{"LastName": "Good"}]) == 1


def test_a_store_that_is_opened_again(tmp_path):
    path = tmp_path / "salesforce.db"
    first = SalesforceStore(path, Clock())
    record_id = first.create("Lead", {"LastName": "A", "Company": "B"})
    first.close()
    second = SalesforceStore(path, Clock())
    assert second.get("Lead", record_id)["Company"] == "B"
    second.reset()
    assert second.count("Lead", include_deleted=True) == 0
    assert second.create("Lead", {"LastName": "A", "Company": "B"}) == record_id
    second.close()


def test_a_store_of_another_version_is_not_touched(tmp_path):
    path = tmp_path / "salesforce.db"
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(sqlite3.DatabaseError, match="another version"):
        SalesforceStore(path, Clock())


def test_lists_in_pages(store):
    made = [store.create("Contact", {"LastName": name}) for name in "ABCD"]
    store.delete("Contact", made[1])
    assert [each["Id"] for each in store.list("Contact", limit=2)] == [made[0], made[2]]
    assert [each["Id"] for each in store.list("Contact", after_id=made[0][:15])] == made[2:]


def test_many_threads_at_once(store):
    def work(number):
        record_id = store.create("Contact", {"LastName": f"P{number}"})
        store.edit("Contact", record_id, {"Phone": str(number)})
        return store.get("Contact", record_id)["Phone"], store.count("Contact") > 0

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(200))) == [(str(n), True) for n in range(200)]
    assert store.count("Contact") == 200


def test_a_merge_of_what_cannot_be_merged(store):
    a, b, c, d = (store.create("Contact", {"LastName": name}) for name in "ABCD")
    for winner, losers in ((a, []), (a, [a]), (a, [b, c, d])):
        with pytest.raises(SalesforceError):
            store.merge("Contact", winner, losers)
    lead, other = (store.create("Lead", {"LastName": n, "Company": n}) for n in "AB")
    store.convert(lead)
    with pytest.raises(SalesforceError, match="converted lead"):
        store.merge("Lead", other, [lead])
    company = store.create("Account", {"Name": "A"})
    person = store.create("Account", {"LastName": "A"})
    with pytest.raises(SalesforceError, match="person account"):
        store.merge("Account", company, [person])
    shadow = store.get("Account", person)["PersonContactId"]
    with pytest.raises(SalesforceError, match="person account"):
        store.merge("Contact", a, [shadow])
    assert store.get("Contact", a)["IsDeleted"] is False
