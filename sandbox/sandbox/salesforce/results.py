"""Query results as both Bulk APIs give them: CSV, piece by piece."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.query import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.salesforce.store import SalesforceStore

READ_AT_ONCE = 2000


def bulk_plan(text: str, *, all_rows: bool) -> Plan:
    """Return the plan of a query whose result is to be CSV.

    Raises:
        SalesforceError: The query is wrong, or selects what CSV cannot carry.
    """
    plan = Plan(text, include_deleted=all_rows)
    if plan.compound:
        raise SalesforceError(
            "FUNCTIONALITY_NOT_ENABLED",
            f"Selecting compound data not supported in Bulk Query: {', '.join(plan.compound)}",
        )
    if plan.counts:
        raise SalesforceError(
            "MALFORMED_QUERY", "Aggregate results are not supported in Bulk Query"
        )
    return plan


def csv_lines(
    store: SalesforceStore,
    plan: Plan,
    numbers: Sequence[int],
    *,
    delimiter: str = ",",
    line_ending: str = "\n",
) -> Iterator[bytes]:
    """Yield a CSV result piece by piece: a header, then the records, every cell in quotes."""
    buffer = io.StringIO()
    writer = csv.writer(
        buffer, delimiter=delimiter, lineterminator=line_ending, quoting=csv.QUOTE_ALL
    )
    writer.writerow(plan.header)
    for start in range(0, len(numbers), READ_AT_ONCE):
        rows = plan.rows(store, numbers[start : start + READ_AT_ONCE])
        writer.writerows(plan.as_cells(row) for row in rows)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()
