"""What is different where the ledger is on a server: how it is reached, and how it fails."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import sys
from contextlib import closing

import psycopg
import pytest
from reconciler.errors import LedgerError
from reconciler.ledger import Ledger
from reconciler.settings import Settings
from sqlalchemy import event
from sqlalchemy.engine import Engine, make_url

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, TO_SALESFORCE, Job

PLAIN = "postgresql://user:secret@server/sync?options=-csearch_path%3Dthere"


@pytest.fixture
def job(tmp_path, place):
    return Job(tmp_path, place)


def connected(ledger_url):
    url = make_url(ledger_url).set(drivername="postgresql")
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


@pytest.mark.parametrize("url", [PLAIN, PLAIN.replace("postgresql", "postgresql+psycopg", 1)])
def test_both_names_of_the_driver_are_one(url):
    settings = Settings.from_config({"mode": OBSERVE, "ledger_url": url})
    checked = make_url(settings.ledger_url)
    assert checked.drivername == "postgresql+psycopg"
    assert checked.password == "secret"
    assert checked.query["options"] == "-csearch_path=there"


def test_the_ledger_is_where_the_search_path_says(job):
    job.pair_up()
    schema = make_url(job.ledger_url).query["options"].rpartition("=")[2]
    with closing(connected(job.ledger_url)) as connection:
        found = connection.execute(f"SELECT count(*) FROM {schema}.pairs").fetchone()
        assert found == (1,)
        assert connection.execute("SELECT to_regclass('public.pairs')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"query": {"host": "/nowhere"}}, "/nowhere"),
        ({"host": "127.0.0.1", "port": 1}, "port 1"),
        ({"database": "not_there"}, 'database "not_there" does not exist'),
        ({"username": "nobody-here"}, "nobody-here"),
        ({"query": {"no_such_option": "1"}}, "no_such_option"),
    ],
    ids=["host", "port", "database", "user", "option"],
)
def test_a_server_that_cannot_be_reached_is_one_error_without_the_password(job, changed, says):
    url = make_url(job.ledger_url).set(password="s3cret")
    query = changed.get("query", {})
    if "host" in changed:
        url = url.difference_update_query(["host"])
    url = url.set(**{name: value for name, value in changed.items() if name != "query"})
    job.ledger_url = url.update_query_dict(query).render_as_string(hide_password=False)
    passed = job.pipe(OBSERVE)
    assert passed.code == 1
    assert "the ledger cannot be opened" in passed.text
    assert says in passed.text
    assert "s3cret" not in passed.text
    assert "Traceback" not in passed.text


def test_without_psycopg_the_error_names_the_extra(job, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerError, match=r"contact-sync-reconciler\[postgresql\]"):
        Ledger(job.ledger_url)


def test_nothing_is_made_by_looking(job):
    with closing(connected(job.ledger_url)) as connection:
        connection.execute("DROP TABLE IF EXISTS meta")
        assert job.history() == []
        assert connection.execute("SELECT to_regclass('meta')").fetchone() == (None,)


@pytest.mark.parametrize("transaction", [1, 4, 8, 16, 24])
def test_a_lost_connection_ends_the_run_with_advice_and_the_next_one_heals(job, transaction):
    record = job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    job.pipe(OBSERVE)
    with connections_cut_at(job, transaction):
        passed = job.pipe(TO_PHONEIQ)
    assert passed.code == 1
    assert "the ledger cannot be" in passed.text
    job.settle()
    assert job.contact_of(record)["first_name"] == "Ada"


@contextlib.contextmanager
def connections_cut_at(job, transaction):
    """The server ends all sessions once so many transactions have begun."""
    begun = itertools.count(1)

    def cut(_):
        if next(begun) == transaction:
            with closing(connected(job.ledger_url)) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                    "WHERE application_name = 'contact-sync'"
                )

    event.listen(Engine, "begin", cut)
    try:
        yield
    finally:
        event.remove(Engine, "begin", cut)


def test_characters_that_postgresql_cannot_hold(job):
    record = job.salesforce.create(
        "Contact", FirstName="A\0da", LastName="Love\0lace", MobilePhone="+14155550132"
    )
    contact = job.phoneiq.create(first_name="Grace\0", mobile_phone="+14155550199")
    job.settle()
    assert job.contact_of(record)["mobile_phone"] == "+14155550132"
    assert job.record_of(contact)["FirstName"].startswith("Grace")


def test_records_with_very_many_fields(job):
    wide = {f"custom_{hashlib.sha256(bytes([number])).hexdigest()}": None for number in range(200)}

    def widen(messages):
        return [
            one | {"record": one["record"] | wide} if one["type"] == "RECORD" else one
            for one in messages
        ]

    job.phoneiq.create(first_name="Ada", mobile_phone="+14155550132")
    assert job.pipe(OBSERVE, tap=widen).summary["changed"] == 1
    job.states.clear()
    assert job.pipe(OBSERVE, tap=widen).summary["changed"] == 0


def test_texts_are_sorted_byte_by_byte(job):
    for name in ("b", "a", "B", "ä"):
        with closing(Ledger(job.ledger_url)) as ledger:
            ledger.controls.set({f"told{name}": 1})  # type: ignore[misc]
    with closing(connected(job.ledger_url)) as connection:
        found = connection.execute("SELECT key FROM meta WHERE key LIKE 'told%' ORDER BY key")
        assert [key for (key,) in found] == ["toldB", "tolda", "toldb", "toldä"]


def test_a_preview_keeps_no_run_waiting(job):
    job.pair_up()
    with closing(Ledger(job.ledger_url)) as ledger, ledger.copy() as copy:
        copy.removals.forget_pairs()
        job.salesforce.edit(job.salesforce.live()[0]["Id"], Title="Countess")
        assert [job.pipe(pipe).code for pipe in (OBSERVE, TO_PHONEIQ, TO_SALESFORCE)] == [0, 0, 0]
        assert copy.pairs.count() == 0
        assert ledger.pairs.count() == 1


def test_another_hosts_lease_is_not_taken_for_dead(job):
    job.pipe(OBSERVE)
    with closing(Ledger(job.ledger_url)) as ledger, ledger.lease("a run elsewhere") as lease:
        lease.take("run")
        with closing(connected(job.ledger_url)) as connection:
            connection.execute("UPDATE lease SET host = 'elsewhere', pid = 1073741824")
            assert "a run elsewhere" in job.pipe(OBSERVE).text
            connection.execute("UPDATE lease SET expires_at = 0")
        assert job.pipe(OBSERVE).code == 0
