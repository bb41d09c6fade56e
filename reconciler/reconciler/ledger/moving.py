"""Moving a sync to another ledger: what no tap could tell it.

That is who is who and who is not, on which values both last agreed, what the sync created and
overwrote, what was taken back, who is not to be created again, and who was forgotten. Everything
else is read again by the next run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, insert, select, true, update

from reconciler.errors import LedgerError
from reconciler.ledger.database import Database
from reconciler.ledger.observations import Layouts
from reconciler.ledger.rows import CHUNK, from_json, pack, to_json
from reconciler.ledger.tables import (
    alias,
    counters,
    forgotten,
    observations,
    originals,
    pairs,
    phone_numbers,
    records,
    separated,
    undos,
)
from reconciler.model import SIDES

#: The form of the lines; grows with each change of it.
FORM: Final = 1
#: Columns of a record that mean something in its own ledger only.
_OWN: Final = frozenset(
    {
        "row", "pair", "duplicate_of", "settled", "creating", "digest", "stamp", "missing",
        "reference_run",
    }
)  # fmt: skip
_UNDO: Final = ("field", "given", "old", "shown", "across")
#: Columns that exports of 0.1.0 do not have.
_LATER: Final = {"full_name": False, "merged_away": False}


class Moving:
    """Writes a ledger's knowledge out, and takes another's in.

    Args:
        database: The open ledger database.
        known: The ledger's layouts.
    """

    def __init__(self, database: Database, known: Layouts) -> None:
        self._database = database
        self._layouts = known

    def out(self) -> Iterator[dict[str, Any]]:
        """What there is to move, one line after the other, the first of which names the ledger."""
        yield {"contact_sync": FORM, "ledger": self._database.id, "salt": self._database.salt}
        with self._database.reading() as connection:
            hashes = list(connection.scalars(select(forgotten.c.hash)))
        yield from ({"forgotten": one} for one in hashes)
        after = 0
        while chunk := self._pairs(after):
            after = chunk[-1].pair
            rows = [row for pair in chunk for row in (pair.salesforce_row, pair.phoneiq_row)]
            shown = self._records(records.c.row.in_(rows))
            for pair in chunk:
                yield {
                    "pair": {
                        "why": pair.why,
                        "baseline": self._layouts.baseline(pair.layout, pair.baseline),
                        "salesforce": shown[pair.salesforce_row],
                        "phoneiq": shown[pair.phoneiq_row],
                    }
                }
        for record in self._records(records.c.released == true()).values():
            yield {"released": record}
        yield from self._separated()

    def _separated(self) -> list[dict[str, Any]]:
        """Who is not who, by ids; after the records, since they are taken in by these."""
        one, two = alias(records, "one"), alias(records, "two")
        with self._database.reading() as connection:
            return [
                {"separated": {"salesforce": row[0], "phoneiq": row[1]}}
                for row in connection.execute(
                    select(one.c.id, two.c.id)
                    .select_from(separated)
                    .join(one, one.c.row == separated.c.salesforce_row)
                    .join(two, two.c.row == separated.c.phoneiq_row)
                )
            ]

    def _pairs(self, after: int) -> list[Any]:
        with self._database.reading() as connection:
            return list(
                connection.execute(
                    select(pairs).where(pairs.c.pair > after).order_by(pairs.c.pair).limit(CHUNK)
                )
            )

    def _records(self, which: ColumnElement[bool]) -> dict[int, dict[str, Any]]:
        with self._database.reading() as connection:
            found: dict[int, dict[str, Any]] = {
                row.row: {
                    "record": {
                        column.name: getattr(row, column.name)
                        for column in records.columns
                        if column.name not in _OWN
                    },
                    "fields": self._layouts.fields(row.layout, row.body),
                    "numbers": self._layouts.numbers(row.layout, row.numbers),
                    "matches": [],
                    "undos": [],
                    "originals": from_json(row.before) if row.before else None,
                }
                for row in connection.execute(
                    select(
                        records,
                        observations.c.layout,
                        observations.c.body,
                        observations.c.numbers,
                        originals.c.fields.label("before"),
                    )
                    .join(observations, observations.c.row == records.c.row)
                    .outerjoin(originals, originals.c.row == records.c.row)
                    .where(which)
                    .order_by(records.c.row)
                )
            }
            for row, number in connection.execute(
                select(phone_numbers.c.row, phone_numbers.c.number)
                .join(records, records.c.row == phone_numbers.c.row)
                .where(which)
            ):
                found[row]["matches"].append(number)
            for undo in connection.execute(
                select(undos).join(records, records.c.row == undos.c.row).where(which)
            ):
                found[undo.row]["undos"].append({name: getattr(undo, name) for name in _UNDO})
        return found

    def into(self, lines: Iterable[Mapping[str, Any]], run: int) -> tuple[int, int]:
        """Take lines of `out` in, all or none.

        Args:
            lines: Those after the first one.
            run: The run that they are recorded as.

        Returns:
            Pairs, and records without a pair.

        Raises:
            LedgerError: The ledger holds records already.
            KeyError, TypeError, ValueError: A line is not of the form that `out` writes.
        """
        made = alone = 0
        with self._database.transaction() as connection:
            if connection.scalar(select(func.count()).select_from(records)):
                raise LedgerError(
                    "this ledger holds records already; import into a new one: name a file that "
                    "is not there yet, or an empty database, with --ledger-url"
                )
            row = 0
            for line in lines:
                if "forgotten" in line:
                    connection.execute(insert(forgotten).values(hash=str(line["forgotten"])))
                elif "released" in line:
                    alone += 1
                    row += 1
                    self._insert(connection, row, line["released"], run, pair=None)
                elif "separated" in line:
                    self._separate(connection, line["separated"], run)
                else:
                    pair = line["pair"]
                    made += 1
                    result = connection.execute(
                        insert(pairs).values(
                            salesforce_row=row + 1,
                            phoneiq_row=row + 2,
                            layout=self._layouts.add(connection, tuple(pair["baseline"])),
                            baseline=pack(list(pair["baseline"].values())),
                            why=pair["why"],
                            run=run,
                        )
                    )
                    (number,) = result.inserted_primary_key or (0,)
                    for side in ("salesforce", "phoneiq"):
                        row += 1
                        self._insert(connection, row, pair[side], run, pair=number)
            connection.execute(
                update(counters).where(counters.c.name == "row").values(next=row + 1)
            )
        return made, alone

    @staticmethod
    def _separate(connection: Connection, given: Mapping[str, str], run: int) -> None:
        """Note who is not who, where both are known."""
        rows = {
            side: connection.scalar(
                select(records.c.row).where(records.c.side == side, records.c.id == given[side])
            )
            for side in SIDES
        }
        if None not in rows.values():
            connection.execute(
                insert(separated).values(
                    salesforce_row=rows["salesforce"], phoneiq_row=rows["phoneiq"], run=run
                )
            )

    def _insert(
        self,
        connection: Connection,
        row: int,
        given: Mapping[str, Any],
        run: int,
        *,
        pair: int | None,
    ) -> None:
        record = _LATER | given["record"]
        values = {
            column.name: record[column.name]
            for column in records.columns
            if column.name not in _OWN
        }
        connection.execute(
            insert(records).values(
                **values, row=row, pair=pair, settled=bool(values["released"]), creating=False
            )
        )
        shown = dict(sorted(given["fields"].items()))
        names = tuple(shown)
        layout = self._layouts.add(connection, names)
        connection.execute(
            insert(observations).values(
                row=row,
                layout=layout,
                body=pack(list(shown.values())),
                numbers=pack(
                    {names.index(field): number for field, number in given["numbers"].items()}
                ),
                run=run,
            )
        )
        for number in given["matches"]:
            connection.execute(insert(phone_numbers).values(number=number, row=row, stale=False))
        for undo in given.get("undos", ()):
            # The journal stays behind.
            values = {name: undo[name] for name in _UNDO}
            connection.execute(insert(undos).values(**values, row=row, write=0))
        if given["originals"] is not None:
            connection.execute(
                insert(originals).values(row=row, fields=to_json(given["originals"]))
            )
