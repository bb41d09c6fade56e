"""The ledger's tables.

What a record says is wide and rarely read (`observations`); what the rules ask of it is narrow
and updated often (`records`). Both share the row number.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    false,
    true,
)

#: Grows with each change of the tables; see `migrations`.
SCHEMA_VERSION: Final = 1

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

#: One row while a run works on the ledger.
lease = Table(
    "lease",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("token", String(40), nullable=False),
    Column("holder", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("expires_at", Float, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run", Integer, primary_key=True),
    Column("pipe", String(40), nullable=False),
    Column("started_at", String(40), nullable=False),
    Column("finished_at", String(40)),
    Column("outcome", String(20), nullable=False),
    Column("error", Text),
    Column("summary", Text),
    sqlite_autoincrement=True,
)

#: The newest run that observed a side completely.
sides = Table(
    "sides",
    metadata,
    Column("side", String(10), primary_key=True),
    Column("complete_run", Integer, nullable=False),
)

#: What the taps say about their streams.
streams = Table(
    "streams",
    metadata,
    Column("side", String(10), nullable=False),
    Column("stream", String(80), nullable=False),
    # JSON Schema of the stream's records.
    Column("schema", Text, nullable=False),
    PrimaryKeyConstraint("side", "stream"),
)

#: The sets of fields that records were delivered with; observations name one and hold values only.
layouts = Table(
    "layouts",
    metadata,
    Column("layout", Integer, primary_key=True),
    Column("fields", Text, nullable=False, unique=True),
)

records = Table(
    "records",
    metadata,
    Column("row", Integer, primary_key=True),
    Column("side", String(10), nullable=False),
    Column("id", String(40), nullable=False),
    Column("object", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("reference", String(40)),
    Column("successor", String(40)),
    # The Account that it belongs to; the shadow Contact of a Person Account.
    Column("related", String(40)),
    Column("created_at", String(40), nullable=False),
    # When its side says that it last changed; moves with changes that no mapping sees.
    Column("stamp", String(40), nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("skip", String(40)),
    # The row that holds this record's number; then the record is skipped as duplicate_phone.
    Column("duplicate_of", Integer),
    # Its pair was dissolved by a deletion: not created again until someone edits it.
    Column("released", Boolean, nullable=False),
    # For a released record, JSON of values by field that were on their way to it: when they
    # arrive, nobody edited it.
    Column("awaits", Text),
    Column("pair", Integer),
    # A create from it is under way: what appears across is its other half.
    Column("creating", Boolean, nullable=False),
    # The sync created it; a revert deletes it again.
    Column("made", Boolean, nullable=False),
    # Nothing is left to do for it, as far as the ledger knows.
    Column("settled", Boolean, nullable=False),
    UniqueConstraint("side", "id"),
)
Index(
    "records_open_alone",
    records.c.side,
    records.c.row,
    sqlite_where=and_(records.c.settled == false(), records.c.pair.is_(None)),
)
Index(
    "records_open_pairs",
    records.c.pair,
    sqlite_where=and_(records.c.settled == false(), records.c.pair.is_not(None)),
)
Index(
    "records_reference",
    records.c.reference,
    sqlite_where=records.c.reference.is_not(None),
)
Index(
    "records_skip",
    records.c.side,
    records.c.skip,
    records.c.object,
    sqlite_where=records.c.skip.is_not(None),
)
Index(
    "records_made",
    records.c.side,
    records.c.row,
    sqlite_where=and_(records.c.made == true(), records.c.deleted == false()),
)
Index(
    "records_paired",
    records.c.side,
    records.c.object,
    sqlite_where=records.c.pair.is_not(None),
)
Index("records_email", records.c.email, sqlite_where=records.c.email.is_not(None))
Index("records_released", records.c.side, sqlite_where=records.c.released == true())
Index(
    "records_duplicate_of",
    records.c.duplicate_of,
    sqlite_where=records.c.duplicate_of.is_not(None),
)
Index(
    "records_duplicates",
    records.c.side,
    records.c.skip,
    sqlite_where=records.c.duplicate_of.is_not(None),
)
Index(
    "records_related",
    records.c.related,
    sqlite_where=records.c.related.is_not(None),
)
Index(
    "records_successor",
    records.c.successor,
    sqlite_where=records.c.successor.is_not(None),
)

observations = Table(
    "observations",
    metadata,
    Column("row", Integer, primary_key=True),
    Column("layout", Integer, nullable=False),
    # JSON array in the order of the layout's fields.
    Column("body", Text, nullable=False),
    # JSON object: canonical number by phone field.
    Column("numbers", Text, nullable=False),
    Column("run", Integer, nullable=False),
)

#: Valid numbers of records that can be paired.
phone_numbers = Table(
    "phone_numbers",
    metadata,
    Column("number", String(40), nullable=False),
    Column("row", Integer, nullable=False),
    # The record has it no more, but a record that is being created from it may show it.
    Column("stale", Boolean, nullable=False),
    PrimaryKeyConstraint("number", "row"),
    sqlite_with_rowid=False,
)
Index("phone_numbers_row", phone_numbers.c.row)

pairs = Table(
    "pairs",
    metadata,
    Column("pair", Integer, primary_key=True),
    Column("salesforce_row", Integer, nullable=False, unique=True),
    Column("phoneiq_row", Integer, nullable=False, unique=True),
    # JSON object: canonical value by mapping key; null until the sides first agree.
    Column("baseline", Text),
    Column("why", String(20), nullable=False),
    Column("run", Integer, nullable=False),
)

#: The journal of writes. Open until the side's own tap shows the values.
writes = Table(
    "writes",
    metadata,
    Column("write", Integer, primary_key=True),
    Column("side", String(10), nullable=False),
    # The record that the values come from.
    Column("source_row", Integer, nullable=False),
    Column("action", String(10), nullable=False),
    # JSON object of [old, new, why] by field; null for a create, whose values are its source's.
    Column("changes", Text),
    Column("run", Integer, nullable=False),
    # When the written record had last changed; null for a create.
    Column("stamp", String(40)),
    Column("tries", Integer, nullable=False),
    # The run that saw it arrive; 0 where another write took its place.
    Column("confirmed_run", Integer),
)
Index("writes_source", writes.c.source_row, writes.c.run)
Index(
    "writes_open",
    writes.c.source_row,
    writes.c.side,
    unique=True,
    sqlite_where=writes.c.confirmed_run.is_(None),
)

#: What contacts that were there before had in the fields that the sync has written.
originals = Table(
    "originals",
    metadata,
    Column("row", Integer, primary_key=True),
    # JSON object: value as it was delivered, by field.
    Column("fields", Text, nullable=False),
)

#: The writes of a plan that the next run has to stick to.
approved = Table(
    "approved",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("side", String(10), nullable=False),
    # The same for the same write.
    Column("digest", String(32), nullable=False),
    # The write without values, for messages.
    Column("line", Text, nullable=False),
)
Index("approved_digest", approved.c.side, approved.c.digest)

#: Records whose data was removed on request, as hashes: they are not taken in again.
forgotten = Table("forgotten", metadata, Column("hash", String(64), primary_key=True))

#: What an open create was made from, where its source has changed since.
made_from = Table(
    "made_from",
    metadata,
    Column("write", Integer, primary_key=True),
    Column("layout", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("numbers", Text, nullable=False),
)

#: Fields that are left out of a pair's or a new record's writes, and why.
field_skips = Table(
    "field_skips",
    metadata,
    Column("source_row", Integer, nullable=False),
    Column("field", String(80), nullable=False),
    Column("reason", String(40), nullable=False),
    # For a flapping field, JSON of the old and the new value that take turns.
    Column("detail", Text),
    PrimaryKeyConstraint("source_row", "field"),
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("conflict", Integer, primary_key=True),
    Column("run", Integer, nullable=False),
    Column("pair", Integer, nullable=False),
    Column("field", String(120), nullable=False),
    Column("resolution", String(20), nullable=False),
    # JSON of the two canonical values.
    Column("salesforce", Text),
    Column("phoneiq", Text),
)
