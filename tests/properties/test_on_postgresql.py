"""The machine on a ledger that is a PostgreSQL database."""

from __future__ import annotations

import pytest

from tests.properties.machine import as_test
from tests.properties.test_with_reference import WithReference


class OnPostgreSQL(WithReference):
    pass


@pytest.fixture(scope="module", autouse=True)
def _places(places):
    OnPostgreSQL.places = places


TestOnPostgreSQL = as_test(OnPostgreSQL, share=0.2)
