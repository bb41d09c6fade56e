"""What keeps a PhoneIQ of a million contacts quick, and its memory flat."""

from __future__ import annotations

import pytest
from sandbox.clock import Clock
from sandbox.phoneiq.store import ContactStore, contact_id


@pytest.fixture
def store(tmp_path):
    store = ContactStore(tmp_path / "phoneiq.db", Clock())
    yield store
    store.close()


def test_no_query_reads_more_rows_than_it_answers(store):
    made = store.create({"salesforce_id": "003Sb0000000001IAA"})
    statements = []
    store._db.set_trace_callback(statements.append)
    store.page(after=0, include_deleted=False, limit=5)
    store.page(after=0, include_deleted=True, limit=5)
    store.get(made["id"])
    store.id_of("003Sb0000000001IAA")
    store.update(made["id"], {"salesforce_id": "003Sb0000000002IAA"})
    store.delete(made["id"])
    store._db.set_trace_callback(None)
    queries = [text for text in statements if text.startswith(("SELECT", "UPDATE"))]
    assert len(queries) >= 8
    for query in queries:
        plan = [row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert all(step.startswith("SEARCH contact USING ") for step in plan), (query, plan)


def test_ids_are_what_the_document_says_and_never_the_same(store):
    ids = [contact_id(number) for number in range(1, 20_000)]
    assert len(set(ids)) == len(ids)
    assert ids != sorted(ids)
    made = [store.create({})["id"] for _ in range(3)]
    assert made == ids[:3]
    assert [store.get(id_)["id"] for id_ in made] == made


def test_an_error_in_a_transaction_leaves_nothing_behind(store):
    kept = store.create({"last_name": "A"})

    def fail_halfway():
        with store.transaction():
            store.create({"last_name": "B"})
            store.update(kept["id"], {"last_name": "C"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    bodies, _ = store.page(after=0, include_deleted=True, limit=10)
    assert len(bodies) == 1
    assert store.get(kept["id"]) == kept
    assert store.create({})["id"] == contact_id(2)
