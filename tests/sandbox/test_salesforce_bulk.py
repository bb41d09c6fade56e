"""Bulk jobs: 2.0 ingest and query, 1.0 query, and the requests of MeltanoLabs' target."""

from __future__ import annotations

import csv
import io
import time
import xml.etree.ElementTree as ET

import pytest
import requests

FINISHED = {"JobComplete", "Failed", "Aborted"}
INGEST = "jobs/ingest"


def _table(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


class Job:
    """An ingest job."""

    def __init__(self, salesforce, operation, key=None, **options):
        self._salesforce = salesforce
        order = {"operation": operation, "object": "Contact", "contentType": "CSV", **options}
        if key is not None:
            order["externalIdFieldName"] = key
        self.info = salesforce.call("POST", INGEST, order).json()
        self.path = f"{INGEST}/{self.info['id']}"

    def put(self, text):
        answer = self._salesforce.call(
            "PUT",
            f"/{self.info['contentUrl']}",
            data=text.encode(),
            headers={"Content-Type": "text/csv"},
        )
        assert (answer.status_code, answer.content) == (201, b"")

    def set(self, state):
        return self._salesforce.call("PATCH", self.path, {"state": state}).json()

    def wait(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            self.info = self._salesforce.call("GET", self.path).json()
            if self.info["state"] in FINISHED:
                return self.info
        raise AssertionError(self.info)

    def run(self, *lines, ending="\n"):
        self.put("".join(line + ending for line in lines))
        assert self.set("UploadComplete")["state"] == "UploadComplete"
        return self.wait()

    def results(self, kind):
        answer = self._salesforce.call("GET", f"{self.path}/{kind}")
        assert answer.headers["Content-Type"].startswith("text/csv")
        return _table(answer.content.decode())


def test_inserts_succeed_and_fail_row_by_row(salesforce):
    job = Job(salesforce, "insert")
    assert (job.info["state"], job.info["jobType"]) == ("Open", "V2Ingest")
    info = job.run(
        "LastName,Email,Description,DoNotCall",
        '"Rossi, A","a@b.co","two\nlines and ""quotes""",True',
        "Bianchi,nobody,,",
        " ,c@d.co,,0",
    )
    assert (info["state"], info["numberRecordsProcessed"], info["numberRecordsFailed"]) == (
        *("JobComplete", 3, 2),
    )
    (good,) = job.results("successfulResults")
    assert good["sf__Created"] == "true"
    record = salesforce.call("GET", f"sobjects/Contact/{good['sf__Id']}").json()
    assert record["LastName"] == "Rossi, A"
    assert record["Description"] == 'two\nlines and "quotes"'
    assert record["DoNotCall"] is True
    assert [(row["sf__Id"], row["sf__Error"]) for row in job.results("failedResults")] == [
        ("", "INVALID_EMAIL_ADDRESS:Email: invalid email address: nobody:Email --"),
        ("", "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"),
    ]
    for kind in ("unprocessedRecords", "unprocessedrecords"):
        assert job.results(kind) == []


def test_an_empty_cell_is_ignored_and_na_clears(salesforce):
    record_id = salesforce.create("Contact", LastName="A", Phone="1", Title="2", DoNotCall=True)
    job = Job(salesforce, "update")
    job.run("Id,Phone,Title,DoNotCall", f"{record_id},,#N/A,#N/A")
    record = salesforce.call("GET", f"sobjects/Contact/{record_id}").json()
    assert (record["Phone"], record["Title"], record["DoNotCall"]) == ("1", None, False)


def test_upserts_by_external_id(salesforce):
    there = salesforce.create("Contact", LastName="A", PhoneIQ_Contact_ID__c="pc_1")
    job = Job(salesforce, "upsert", "PhoneIQ_Contact_ID__c")
    job.run(
        "LastName,PhoneIQ_Contact_ID__c",
        *("A2,pc_1", "B,pc_2", "B2,pc_2", "C,", "D,pc_4"),
    )
    good = {row["PhoneIQ_Contact_ID__c"]: row for row in job.results("successfulResults")}
    assert (good["pc_1"]["sf__Id"], good["pc_1"]["sf__Created"]) == (there, "false")
    assert good["pc_4"]["sf__Created"] == "true"
    assert {row["LastName"]: row["sf__Error"] for row in job.results("failedResults")} == {
        "B": "DUPLICATE_VALUE:Duplicate external id specified: pc_2:PhoneIQ_Contact_ID__c --",
        "B2": "DUPLICATE_VALUE:Duplicate external id specified: pc_2:PhoneIQ_Contact_ID__c --",
        "C": "MISSING_ARGUMENT:PhoneIQ_Contact_ID__c not specified:PhoneIQ_Contact_ID__c --",
    }


def test_deletions(salesforce):
    gone, there = (salesforce.create("Contact", LastName=name) for name in "AB")
    salesforce.call("DELETE", f"sobjects/Contact/{gone}")
    job = Job(salesforce, "delete")
    job.run("Id", gone, there, "003Sb0000000099IAA", "nobody")
    assert [row["sf__Id"] for row in job.results("successfulResults")] == [there]
    codes = [row["sf__Error"].partition(":")[0] for row in job.results("failedResults")]
    assert codes == ["ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"]
    assert salesforce.query("SELECT Id FROM Contact") == []


@pytest.mark.parametrize(("name", "ending"), [("LF", "\n"), ("CRLF", "\r\n")])
@pytest.mark.parametrize(("delimiter", "char"), [("COMMA", ","), ("TAB", "\t"), ("PIPE", "|")])
def test_line_endings_and_delimiters(salesforce, name, ending, delimiter, char):
    job = Job(salesforce, "insert", lineEnding=name, columnDelimiter=delimiter)
    info = job.run(f"LastName{char}Phone", f"A{char}1", ending=ending)
    assert (info["state"], info["numberRecordsFailed"]) == ("JobComplete", 0)
    assert salesforce.query("SELECT LastName, Phone FROM Contact") == [
        {"LastName": "A", "Phone": "1"}
    ]
    text = salesforce.call("GET", f"{job.path}/successfulResults").content.decode()
    assert text.startswith(f'"sf__Id"{char}"sf__Created"{char}"LastName"{char}"Phone"{ending}')


BROKEN = {
    "an unknown field": (
        ["LastName,Shoe__c", "A,1"],
        "InvalidBatch : Field name not found : Shoe__c",
    ),
    "another line ending": (["LastName\r", "A\r"], "InvalidBatch : LineEnding is invalid"),
    "a row too short": (["LastName,Phone", "A"], "InvalidBatch : A row has 1 values"),
    "a quote that never ends": (["LastName", '"A'], "InvalidBatch : Failed to parse CSV"),
    "nothing": ([], "InvalidBatch : Records not found"),
}


@pytest.mark.parametrize("situation", BROKEN)
def test_an_upload_that_cannot_be_processed_fails_the_job(salesforce, situation):
    lines, message = BROKEN[situation]
    job = Job(salesforce, "insert")
    info = job.run(*lines)
    assert (info["state"], info["numberRecordsProcessed"]) == ("Failed", 0)
    assert info["errorMessage"].startswith(message)
    assert job.results("successfulResults") == job.results("failedResults") == []
    assert salesforce.query("SELECT Id FROM Contact") == []


def test_rows_behind_a_broken_one_stay_unprocessed(salesforce):
    job = Job(salesforce, "insert")
    rows = [f"P{at},1" for at in range(500)]
    rows[300] = "P300"
    info = job.run("LastName,Phone", *rows)
    assert (info["state"], info["numberRecordsProcessed"]) == ("Failed", 200)
    assert len(job.results("successfulResults")) == 200
    unprocessed = job.results("unprocessedRecords")
    assert [row["LastName"] for row in unprocessed] == [f"P{at}" for at in range(200, 500)]
    assert len(salesforce.query("SELECT Id FROM Contact")) == 200


def test_an_update_without_ids_is_no_update(salesforce):
    info = Job(salesforce, "update").run("Phone", "1")
    assert info["errorMessage"] == "InvalidBatch : Field name not found : Id"


def test_an_aborted_job_leaves_its_rows_unprocessed(salesforce):
    job = Job(salesforce, "insert")
    job.put("LastName\nA\nB\n")
    assert job.set("Aborted")["state"] == "Aborted"
    deadline = time.monotonic() + 30
    while salesforce.call("GET", f"{job.path}/unprocessedRecords").status_code != 200:
        assert time.monotonic() < deadline
    assert job.results("unprocessedRecords") == [{"LastName": "A"}, {"LastName": "B"}]
    assert job.results("successfulResults") == []
    assert salesforce.query("SELECT Id FROM Contact") == []
    assert salesforce.call("DELETE", job.path).status_code == 204
    assert salesforce.error("GET", job.path)["errorCode"] == "NOT_FOUND"


def test_an_abort_stops_a_job_that_is_running(salesforce):
    job = Job(salesforce, "insert")
    size = 60_000
    job.put("LastName\n" + "".join(f"P{at}\n" for at in range(size)))
    job.set("UploadComplete")
    assert job.set("Aborted")["state"] == "Aborted"
    deadline = time.monotonic() + 60
    while salesforce.call("GET", f"{job.path}/unprocessedRecords").status_code != 200:
        assert time.monotonic() < deadline
    done, left = job.results("successfulResults"), job.results("unprocessedRecords")
    assert len(done) + len(left) == size
    assert len(left) > 0
    answer = salesforce.call("GET", "query?q=SELECT COUNT() FROM Contact").json()
    assert answer["totalSize"] == len(done)


def test_a_reset_stops_a_job_that_is_running(box, salesforce):
    job = Job(salesforce, "insert")
    job.put("LastName\n" + "".join(f"P{at}\n" for at in range(60_000)))
    job.set("UploadComplete")
    box.admin.reset()
    info = job.wait()
    assert (info["state"], info["errorMessage"]) == (
        *("Failed", "InternalServerError : The org was reset"),
    )
    assert salesforce.query("SELECT Id FROM Contact", everything=True) == []


def test_states_that_a_job_is_not_in(salesforce):
    job = Job(salesforce, "insert")
    error = salesforce.error("GET", f"{job.path}/successfulResults")
    assert error["errorCode"] == "INVALIDJOBSTATE"
    job.put("LastName\nA\n")
    again = salesforce.call("PUT", f"{job.path}/batches", data=b"LastName\nB\n")
    assert "Found multiple contents for job" in again.json()[0]["message"]
    job.set("UploadComplete")
    job.wait()
    for state in ("UploadComplete", "Aborted", "Nonsense"):
        error = salesforce.error("PATCH", job.path, {"state": state})
        assert error["errorCode"] == "INVALIDJOBSTATE"


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"operation": "insert", "object": "Shoe__c"}, "NOT_FOUND"),
        ({"operation": "grow", "object": "Contact"}, "INVALIDJOB"),
        ({"operation": "upsert", "object": "Contact"}, "INVALIDJOB"),
        (
            {"operation": "upsert", "object": "Contact", "externalIdFieldName": "Phone"},
            "INVALID_FIELD",
        ),
        ({"operation": "hardDelete", "object": "Contact"}, "FEATURENOTENABLED"),
        ({"operation": "insert", "object": "Contact", "lineEnding": "CR"}, "INVALIDJOB"),
        ({"operation": ["insert"], "object": "Contact"}, "INVALIDJOB"),
        ({}, "INVALIDJOB"),
    ],
)
def test_a_job_that_cannot_be(salesforce, order, code):
    assert salesforce.error("POST", INGEST, order)["errorCode"] == code


def test_a_row_refused_on_order_of_a_test(box, salesforce):
    box.admin.fault(side="salesforce", kind="row_error", after=1, times=1, code="X", message="y")
    job = Job(salesforce, "insert")
    job.run("LastName", "A", "B", "C")
    assert [(row["LastName"], row["sf__Error"]) for row in job.results("failedResults")] == [
        ("B", "X:y: --")
    ]


# The requests of MeltanoLabs' target-salesforce for one upsert batch, as it sends them.


def test_the_requests_of_meltanolabs_target(box):
    login = requests.post(
        "https://login.salesforce.com/services/oauth2/token",
        data={
            "grant_type": "refresh_token",
            "client_id": "sandbox-client-id",
            "client_secret": "sandbox-client-secret",
            "refresh_token": "sandbox-refresh-token",
        },
        proxies={"https": box.proxy_url},
        verify=str(box.ca_bundle),
        timeout=30,
    ).json()
    base = f"https://{login['instance_url'].partition('://')[2]}/services/data/v59.0"
    with requests.Session() as session:
        session.trust_env = False
        session.proxies["https"] = box.proxy_url
        session.verify = str(box.ca_bundle)
        session.headers["Authorization"] = f"Bearer {login['access_token']}"
        described = session.get(f"{base}/sobjects/Contact/describe").json()
        assert "createable" in described["fields"][0]
        there = session.post(f"{base}/sobjects/Contact/", json={"LastName": "A"}).json()["id"]
        job = session.post(
            f"{base}/jobs/ingest",
            json={
                "operation": "upsert",
                "object": "Contact",
                "externalIdFieldName": "Id",
                "contentType": "CSV",
                "columnDelimiter": "COMMA",
                "lineEnding": "CRLF",
            },
        ).json()
        upload = session.put(
            f"{base}/jobs/ingest/{job['id']}/batches",
            data=(
                "DoNotCall,LastName,Id,Phone\r\n"
                f"True,A2,{there},\r\n"
                "False,New,,1\r\n"
                f"False,{'x' * 81},,1\r\n"
            ).encode(),
            headers={"Content-Type": "text/csv; charset=UTF-8"},
        )
        assert upload.status_code == 201
        closed = session.patch(f"{base}/jobs/ingest/{job['id']}", json={"state": "UploadComplete"})
        assert closed.json()["state"] == "UploadComplete"
        deadline = time.monotonic() + 30
        info = session.get(f"{base}/jobs/ingest/{job['id']}").json()
        while info["state"] != "JobComplete":
            assert time.monotonic() < deadline
            info = session.get(f"{base}/jobs/ingest/{job['id']}").json()
        assert (info["numberRecordsProcessed"], info["numberRecordsFailed"]) == (3, 1)
        failed = session.get(f"{base}/jobs/ingest/{job['id']}/failedResults/").content.decode()
    (row,) = _table(failed)
    assert row["sf__Error"].startswith("STRING_TOO_LONG:Last Name: data value too large")
    rows = {each["LastName"]: each for each in box.admin.salesforce.list("Contact")}
    assert {*rows} == {"A2", "New"}
    assert (rows["A2"]["Id"], rows["A2"]["DoNotCall"]) == (there, True)


# Query jobs


def test_a_query_job_gives_its_result_in_pages(salesforce):
    for name in ("A", "B", "C"):
        salesforce.create("Contact", LastName=name, Description='two\nlines, "q"')
    gone = salesforce.query("SELECT Id FROM Contact WHERE LastName = 'C'")[0]["Id"]
    salesforce.call("DELETE", f"sobjects/Contact/{gone}")
    order = {
        "operation": "queryAll",
        "query": "SELECT LastName, IsDeleted, Description, Account.Name, CreatedDate FROM Contact "
        "ORDER BY LastName",
    }
    job = salesforce.call("POST", "jobs/query", order).json()
    info = salesforce.call("GET", f"jobs/query/{job['id']}").json()
    assert (info["state"], info["numberRecordsProcessed"]) == ("JobComplete", 3)
    rows, locator = [], None
    while locator != "null":
        params = {"maxRecords": 2} | ({"locator": locator} if locator else {})
        page = salesforce.call("GET", f"jobs/query/{job['id']}/results", params=params)
        found = _table(page.content.decode())
        assert int(page.headers["Sforce-NumberOfRecords"]) == len(found)
        rows += found
        locator = page.headers["Sforce-Locator"]
    assert [(row["LastName"], row["IsDeleted"]) for row in rows] == [
        *(("A", "false"), ("B", "false"), ("C", "true")),
    ]
    assert rows[0]["Description"] == 'two\nlines, "q"'
    assert rows[0]["Account.Name"] == ""
    assert rows[0]["CreatedDate"].endswith(".000Z")
    assert salesforce.call("DELETE", f"jobs/query/{job['id']}").status_code == 204


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT", "MALFORMED_QUERY"),
        ("SELECT COUNT() FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Shoe__c FROM Contact", "INVALID_FIELD"),
        ("SELECT MailingAddress FROM Contact", "FUNCTIONALITY_NOT_ENABLED"),
    ],
)
def test_a_query_job_is_refused(salesforce, soql, code):
    order = {"operation": "query", "query": soql}
    assert salesforce.error("POST", "jobs/query", order)["errorCode"] == code


NAMESPACE = "{http://www.force.com/2009/06/asyncapi/dataload}"
ASYNC = "/services/async/61.0/job"


@pytest.fixture
def bulk1(salesforce):
    """Sends requests with Bulk 1.0's own session header."""
    token = salesforce.session.headers.pop("Authorization").partition(" ")[2]
    salesforce.session.headers["X-SFDC-Session"] = token
    return salesforce


def test_a_bulk_1_query(box, bulk1):
    box.admin.salesforce.create("Contact", LastName="A")
    order = {"operation": "queryAll", "object": "Contact", "contentType": "CSV"}
    job = bulk1.call("POST", ASYNC, order).json()
    texts = [
        "SELECT Id, LastName FROM Contact",
        "SELECT nonsense",
        "SELECT Id FROM Contact WHERE Id = null",
    ]
    states, results = [], []
    for text in texts:
        batch = ET.fromstring(bulk1.call("POST", f"{ASYNC}/{job['id']}/batch", data=text).content)
        path = f"{ASYNC}/{job['id']}/batch/{batch.findtext(NAMESPACE + 'id')}"
        # A first poll that finds the batch unfinished costs tap-salesforce 20 seconds.
        states.append(ET.fromstring(bulk1.call("GET", path).content).findtext(NAMESPACE + "state"))
        listed = ET.fromstring(bulk1.call("GET", f"{path}/result").content)
        results += [
            bulk1.call("GET", f"{path}/result/{each.text}").text
            for each in listed.findall(NAMESPACE + "result")
        ]
    assert states == ["Completed", "Failed", "Completed"]
    (row,) = _table(results[0])
    assert row["LastName"] == "A"
    assert results[1] == "Records not found for this query\n"
    closed = bulk1.call("POST", f"{ASYNC}/{job['id']}", {"state": "Closed"}).json()
    assert (closed["state"], closed["numberBatchesFailed"]) == ("Closed", 1)


def test_bulk_1_refusals(bulk1):
    def refused(*request, **rest):
        answer = bulk1.call(*request, **rest)
        assert answer.headers["Content-Type"] == "application/json"
        return answer.status_code, answer.json()["exceptionCode"]

    order = {"operation": "queryAll", "object": "Contact", "contentType": "CSV"}
    assert refused("GET", f"{ASYNC}/750Sb0000000099IAA") == (400, "InvalidJob")
    assert refused("POST", ASYNC, {**order, "operation": "insert"}) == (400, "InvalidJob")
    assert refused("POST", ASYNC, {**order, "object": "Shoe"}) == (400, "InvalidJob")
    job = bulk1.call("POST", ASYNC, order).json()["id"]
    assert refused("GET", f"{ASYNC}/{job}/batch/nonsense") == (400, "InvalidBatch")
    bulk1.call("POST", f"{ASYNC}/{job}", {"state": "Closed"})
    assert refused("POST", f"{ASYNC}/{job}/batch", data="x") == (400, "InvalidJobState")
    del bulk1.session.headers["X-SFDC-Session"]
    assert refused("GET", f"{ASYNC}/{job}") == (400, "InvalidSessionId")
