"""SOQL and the paging of its results."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox.clock import Clock
from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.query import Plan
from sandbox.salesforce.store import SalesforceStore


@pytest.fixture
def people(box, salesforce):
    """Four Contacts, a minute apart, one of them with an Account."""
    account = salesforce.create("Account", Name="Acme", Phone="9")
    rows = [
        {"FirstName": "Ada", "LastName": "Alba", "Phone": "1", "Email": "ada@x.co"},
        {"FirstName": "Bea", "LastName": "O'Hara", "Title": "50% off_", "DoNotCall": True},
        {"LastName": "alba", "Phone": "3", "AccountId": account},
        {"FirstName": "Dan", "LastName": "Zorn", "Birthdate": "2001-02-03"},
    ]
    ids = []
    for row in rows:
        box.admin.advance(60)
        ids.append(salesforce.create("Contact", **row))
    return ids


MATCHES = {
    "LastName = 'ALBA'": [0, 2],
    "LastName != 'Alba'": [1, 3],
    "Phone = null": [1, 3],
    "Phone = ''": [1, 3],
    "Phone != null": [0, 2],
    "Phone != '1'": [1, 2, 3],
    "Phone <> '1' AND Phone <> null": [2],
    "NOT Phone = '1'": [1, 2, 3],
    "(NOT (Phone = '1' OR Phone = '3'))": [1, 3],
    "Phone IN ('1','3')": [0, 2],
    "Phone IN ('1', null)": [0, 1, 3],
    "Phone NOT IN ('1')": [1, 2, 3],
    "Phone not in ('1', null)": [2],
    "LastName LIKE 'al%'": [0, 2],
    "LastName LIKE '_l_a'": [0, 2],
    "Title LIKE '50\\% off\\_'": [1],
    "Title LIKE '5_\\% off%'": [1],
    "Title LIKE '50\\_%'": [],
    "LastName = 'O\\'Hara'": [1],
    "LastName >= 'b'": [1, 3],
    "DoNotCall = TRUE": [1],
    "DoNotCall = false AND (FirstName = 'Ada' OR FirstName = 'Dan')": [0, 3],
    "Birthdate = 2001-02-03": [3],
    "Birthdate < 2001-02-03": [],
    "Account.Name = 'acme'": [2],
    "Account.Phone != null": [2],
    "AccountId = null": [0, 1, 3],
    "Contact.FirstName = 'Ada'": [0],
    "Name = 'Ada Alba'": [0],
    "firstname = 'Ada'": [0],
    "CreatedDate >= 2000-01-01T00:00:00Z": [0, 1, 2, 3],
    "CreatedDate < 2000-01-01T00:00:00.000+0000": [],
    "PhoneIQ_Contact_ID__c = null": [0, 1, 2, 3],
}


@pytest.mark.parametrize("condition", MATCHES)
def test_a_condition_finds_its_records(salesforce, people, condition):
    found = salesforce.query(f"SELECT Id FROM Contact WHERE {condition}")
    assert [each["Id"] for each in found] == [people[at] for at in MATCHES[condition]]


def test_ids_in_conditions_are_the_same_in_either_length(salesforce, people):
    short = people[1][:15]
    for condition in (f"Id = '{short}'", f"Id IN ('{people[1]}')", f"Id > '{people[0]}'"):
        found = salesforce.query(f"SELECT Id FROM Contact WHERE {condition} LIMIT 1")
        assert found == [{"Id": people[1]}]
    assert salesforce.query("SELECT Id FROM Contact WHERE Id = '00QSb0000000001MAA'") == []


def test_times_compare_with_any_zone_and_fraction(salesforce, people):
    rows = salesforce.query("SELECT SystemModstamp FROM Contact ORDER BY SystemModstamp")
    middle = rows[2]["SystemModstamp"][:19]
    for text, expected in (
        (f">= {middle}Z", 2),
        (f">= {middle}.000001Z", 1),
        (f"> {middle}.000Z", 1),
        (f"= {middle}+0000", 1),
        (f">= {middle}+01:00", 4),
    ):
        answer = salesforce.call(
            "GET", "query?q=" + quote(f"SELECT COUNT() FROM Contact WHERE SystemModstamp {text}")
        )
        assert answer.json() == {"totalSize": expected, "done": True, "records": []}


def test_a_related_record_is_nested_or_null(salesforce, people):
    page = salesforce.call(
        "GET", "query?q=SELECT Id, Account.Name, Account.Parent.Name FROM Contact"
    ).json()
    assert page["records"][0]["Account"] is None
    account = page["records"][2]["Account"]
    assert (account["Name"], account["Parent"]) == ("Acme", None)
    assert account["attributes"]["type"] == "Account"
    # A relationship that only the condition uses is not shown.
    (row,) = salesforce.query("SELECT Id FROM Contact WHERE Account.Name = 'Acme'")
    assert {*row} == {"Id"}


def test_order_limit_and_offset(salesforce, people):
    def order(rest):
        found = salesforce.query(f"SELECT Id FROM Contact {rest}")
        return [people.index(each["Id"]) for each in found]

    assert order("ORDER BY FirstName") == [2, 0, 1, 3]
    assert order("ORDER BY FirstName DESC") == [2, 3, 1, 0]
    assert order("ORDER BY FirstName DESC NULLS LAST") == [3, 1, 0, 2]
    assert order("ORDER BY FirstName ASC NULLS LAST, Id") == [0, 1, 3, 2]
    assert order("ORDER BY LastName, FirstName DESC NULLS FIRST") == [2, 0, 1, 3]
    assert order("ORDER BY Account.Name DESC NULLS LAST LIMIT 1") == [2]
    assert order("ORDER BY SystemModstamp ASC LIMIT 2 OFFSET 1") == [1, 2]
    assert order("LIMIT 99999999999999999999 OFFSET 3") == [3]
    assert order("LIMIT 0") == []


REFUSED = {
    "SELECT Id FROM Contact WHERE": "MALFORMED_QUERY",
    "SELECT FROM Contact": "MALFORMED_QUERY",
    "SELECT Id Contact": "MALFORMED_QUERY",
    "SELECT Id FROM Contact WHERE Phone = '1' AND Phone = '2' OR Phone = '3'": "MALFORMED_QUERY",
    "SELECT Id FROM Contact WHERE Phone = '1": "MALFORMED_QUERY",
    'SELECT Id FROM Contact WHERE Phone = "1"': "MALFORMED_QUERY",
    "SELECT Id FROM Contact WHERE (Phone = '1'": "MALFORMED_QUERY",
    "SELECT COUNT(Id) FROM Contact": "MALFORMED_QUERY",
    "SELECT Id FROM Contact GROUP BY Id": "MALFORMED_QUERY",
    "SELECT Id FROM Contact LIMIT x": "MALFORMED_QUERY",
    f"SELECT Id FROM Contact WHERE {'(' * 5000}": "MALFORMED_QUERY",
    "SELECT Id FROM Contact WHERE CreatedDate = 2026-13-01T00:00:00Z": "MALFORMED_QUERY",
    "SELECT Id FROM Contact; DROP TABLE Contact": "MALFORMED_QUERY",
    "SELECT Id FROM Shoe": "INVALID_TYPE",
    "SELECT Shoe__c FROM Contact": "INVALID_FIELD",
    "SELECT Id, Id FROM Contact": "INVALID_FIELD",
    "SELECT Shoe.Name FROM Contact": "INVALID_FIELD",
    "SELECT Id FROM Contact WHERE SystemModstamp = '2026-01-01T00:00:00Z'": "INVALID_FIELD",
    "SELECT Id FROM Contact WHERE Phone = 1": "INVALID_FIELD",
    "SELECT Id FROM Contact WHERE DoNotCall = 'true'": "INVALID_FIELD",
    "SELECT Id FROM Contact WHERE MailingAddress = 'x'": "INVALID_FIELD",
    "SELECT Id FROM Contact WHERE Id = 'nobody'": "INVALID_QUERY_FILTER_OPERATOR",
    "SELECT Id FROM Contact OFFSET 2001": "NUMBER_OUTSIDE_VALID_RANGE",
}


@pytest.mark.parametrize("soql", REFUSED)
def test_a_query_is_refused(salesforce, soql):
    error = salesforce.error("GET", "query", params={"q": soql})
    assert (error["status"], error["errorCode"]) == (400, REFUSED[soql])


def test_a_condition_of_very_many_parts(salesforce):
    def error(condition):
        soql = f"SELECT Id FROM Contact WHERE {condition}"
        return salesforce.error("GET", "query", params={"q": soql})["errorCode"]

    assert error(" OR ".join(["Phone = null"] * 2000)) == "QUERY_TOO_COMPLICATED"
    assert error("NOT " * 400 + "Phone = null OR") == "MALFORMED_QUERY"


VOCABULARY = r"""
SELECT FROM WHERE AND OR NOT IN LIKE ORDER BY ASC NULLS LAST LIMIT OFFSET COUNT() ( ) , = != < null
TRUE 'a' '%\\_' '' 7 2026-01-01 2026-01-01T00:00:00Z Id Name Phone AccountId DoNotCall Contact
Account.Name Account.Parent.Id SystemModstamp MailingAddress Birthdate Shoe
"""
WORDS = st.sampled_from(VOCABULARY.split())


@pytest.fixture(scope="module")
def small_store(tmp_path_factory):
    store = SalesforceStore(tmp_path_factory.mktemp("soql") / "salesforce.db", Clock())
    store.load("Contact", [{"LastName": "A", "Phone": "a"}])
    yield store
    store.close()


@settings(max_examples=400, deadline=None)
@given(
    st.lists(WORDS, max_size=12).map(" ".join)
    | st.lists(WORDS, min_size=3, max_size=9).map(
        lambda words: f"SELECT Id FROM Contact WHERE {' '.join(words)}"
    )
    | st.tuples(WORDS, WORDS, WORDS).map(
        lambda words: f"SELECT Id, Account.Name FROM Contact WHERE {' '.join(words)}"
    )
)
def test_any_text_is_a_query_or_refused(small_store, text):
    with contextlib.suppress(SalesforceError):
        plan = Plan(text, include_deleted=True)
        for row in plan.rows(small_store, plan.numbers(small_store)):
            assert {*plan.as_json(row, "v61.0")} >= {"attributes"}


def test_an_unknown_field_is_pointed_at(salesforce):
    soql = "SELECT Id, Shoe__c FROM Contact"
    message = salesforce.error("GET", "query", params={"q": soql})["message"]
    _, query, mark, place, *_ = message.splitlines()
    assert query == soql
    assert mark.index("^") == soql.index("Shoe__c")
    assert place == "ERROR at Row:1:Column:12"


@pytest.fixture
def many(salesforce):
    """401 Contacts, so that pages of 200 are three."""
    for start in (0, 200, 400):
        records = [
            {"attributes": {"type": "Contact"}, "LastName": f"P{at:03}"}
            for at in range(start, min(start + 200, 401))
        ]
        salesforce.call("POST", "composite/sobjects", {"records": records})


SMALL_PAGES = {"Sforce-Query-Options": "batchSize=200"}


def test_pages_of_query_all_go_on_as_query(salesforce, many):
    soql = {"q": "SELECT LastName FROM Contact ORDER BY LastName DESC"}
    page = salesforce.call("GET", "queryAll", params=soql, headers=SMALL_PAGES).json()
    names = [each["LastName"] for each in page["records"]]
    assert (page["totalSize"], page["done"], len(names)) == (401, False, 200)
    assert page["nextRecordsUrl"].startswith("/services/data/v61.0/query/01g")
    # A client may repeat q with the page's address, and may fetch a page twice.
    for params in (soql, None):
        again = salesforce.call("GET", page["nextRecordsUrl"], params=params).json()
        assert again["records"][0]["LastName"] == "P200"
    while not page["done"]:
        page = salesforce.call("GET", page["nextRecordsUrl"]).json()
        names += [each["LastName"] for each in page["records"]]
    assert "nextRecordsUrl" not in page
    assert names == [f"P{at:03}" for at in reversed(range(401))]


def test_changes_between_pages_neither_lose_nor_repeat_records(box, salesforce, many):
    box.admin.advance(60)
    soql = {"q": "SELECT Id, LastName FROM Contact ORDER BY SystemModstamp"}
    page = salesforce.call("GET", "queryAll", params=soql, headers=SMALL_PAGES).json()
    seen = page["records"]
    # Moves the first records to the end of the order, and one of those to come to the bin.
    for each in seen[:3]:
        salesforce.call("PATCH", f"sobjects/Contact/{each['Id']}", {"Phone": "1"})
    last = salesforce.query("SELECT Id FROM Contact WHERE LastName = 'P400'")[0]["Id"]
    salesforce.call("DELETE", f"sobjects/Contact/{last}")
    while not page["done"]:
        page = salesforce.call("GET", page["nextRecordsUrl"]).json()
        seen += page["records"]
    assert sorted(each["LastName"] for each in seen) == [f"P{at:03}" for at in range(401)]


@pytest.mark.parametrize("locator", ["01gSbNONE-2000", "nonsense", "01gSbNONE-"])
def test_a_locator_that_is_not_known(salesforce, locator):
    error = salesforce.error("GET", f"query/{locator}")
    assert error["errorCode"] == "INVALID_QUERY_LOCATOR"
