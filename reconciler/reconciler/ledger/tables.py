"""The ledger's tables.

What a record says is wide and rarely read (`observations`); what the rules ask of it is narrow
and updated often (`records`). Both share the row number.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, get_args

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    and_,
    false,
    or_,
    true,
)
from sqlalchemy.sql.selectable import NamedFromClause
from sqlalchemy.types import TypeDecorator

from reconciler.errors import DamagedLedgerError
from reconciler.model import Action, SalesforceObject, Side

#: Grows with each released change of the tables; `migrations` has a step for each.
SCHEMA_VERSION: Final = 4

metadata = MetaData()

#: Ordered and compared byte by byte, as SQLite does.
TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")


class Code(TypeDecorator[str]):
    """One of a few words, kept as a number; the numbers sort as the words do.

    Args:
        of: The `Literal` of the words.
    """

    impl = SmallInteger
    cache_ok = True

    def __init__(self, of: Any) -> None:
        super().__init__()
        self.of = of
        self.words = sorted(get_args(of))
        self.numbers = {word: number for number, word in enumerate(self.words)}

    def process_bind_param(self, value: str | None, dialect: Any) -> int | None:  # noqa: ARG002
        """The number of a word."""
        return None if value is None else self.numbers[value]

    def process_result_value(self, value: int | None, dialect: Any) -> str | None:  # noqa: ARG002
        """The word of a number."""
        try:
            return None if value is None else self.words[value]
        except (IndexError, TypeError):
            raise DamagedLedgerError("a stored value is none of its column's") from None


def _partial_index(
    name: str, *columns: Column[Any], where: ColumnElement[bool], unique: bool = False
) -> None:
    """An index of few rows."""
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


meta = Table(
    "meta",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
)

#: The next number of what several workers number at the same time.
counters = Table(
    "counters",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("next", Integer, nullable=False),
)

#: Who works on the ledger now: a row each, renewed by its holder.
lease = Table(
    "lease",
    metadata,
    Column("token", TEXT, primary_key=True),
    # `run`, `prepare`, `observe` or `write`: what may be done at the same time.
    Column("work", TEXT, nullable=False),
    Column("holder", TEXT, nullable=False),
    # Where the process id means something.
    Column("host", TEXT, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("run", Integer),
    # JSON: how far the run is.
    Column("progress", TEXT),
)

#: What a holder has to itself among those that work at the same time: a stream, a shard.
claims = Table(
    "claims",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("token", TEXT, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run", Integer, primary_key=True),
    Column("pipe", TEXT, nullable=False),
    # Its streams or its shard, where several workers share the pipe's work.
    Column("part", TEXT),
    Column("started_at", TEXT, nullable=False),
    Column("finished_at", TEXT),
    Column("outcome", TEXT, nullable=False),
    Column("error", TEXT),
    Column("summary", TEXT),
    # Random, and how many batches of observations it has committed: what its bookmarks are
    # recognised by. Null in runs of an older version.
    Column("token", TEXT),
    Column("batches", Integer, nullable=False, server_default="0"),
    # Its target is known to have done its work.
    Column("delivered", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)

#: What the settings need of the taps' streams, and what the taps say about them.
streams = Table(
    "streams",
    metadata,
    Column("side", TEXT, nullable=False),
    Column("stream", TEXT, nullable=False),
    # Whether a side is not observed completely without it.
    Column("needed", Boolean, nullable=False),
    # JSON Schema of the stream's records; null until it was extracted.
    Column("schema", TEXT),
    # The newest run that observed it completely.
    Column("complete_run", Integer),
    PrimaryKeyConstraint("side", "stream"),
)

#: The sets of fields that records were delivered with, and of mapping keys that baselines are of;
#: observations and pairs name one and hold values only.
layouts = Table(
    "layouts",
    metadata,
    Column("layout", Integer, primary_key=True, autoincrement=False),
    Column("digest", TEXT, nullable=False, unique=True),
    Column("fields", TEXT, nullable=False),
)

records = Table(
    "records",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("side", Code(Side), nullable=False),
    Column("id", TEXT, nullable=False),
    Column("object", Code(SalesforceObject), nullable=False),
    Column("name", TEXT, nullable=False),
    # Whether that is a first and a last name.
    Column("full_name", Boolean, nullable=False, server_default=false()),
    # Of its canonical e-mail address, to find it by; see `rows.text_key`.
    Column("email", BigInteger),
    Column("reference", TEXT),
    # The run that saw it name what it names first.
    Column("reference_run", Integer),
    Column("successor", TEXT),
    # The Account that it belongs to; the shadow Contact of a Person Account.
    Column("related", TEXT),
    Column("created_at", TEXT, nullable=False),
    # Of when its side says that it last changed, see `rows.text_key`; moves with changes that no
    # mapping sees.
    Column("stamp", BigInteger),
    # See `model.Sighting`; null where it was read again from the ledger.
    Column("digest", BigInteger),
    Column("deleted", Boolean, nullable=False),
    Column("skip", TEXT),
    # The row that holds this record's number; then the record is skipped as duplicate_phone.
    Column("duplicate_of", Integer),
    # Its pair was dissolved by a deletion: not created again until someone edits it.
    Column("released", Boolean, nullable=False, server_default=false()),
    # Its record was merged into another: an edit does not create it again either.
    Column("merged_away", Boolean, nullable=False, server_default=false()),
    # For a released record, JSON of values by field that were on their way to it: when they
    # arrive, nobody edited it.
    Column("awaits", TEXT),
    # It is live, and a full refresh did not show it: it takes no part until it is shown again.
    Column("missing", Boolean, nullable=False, server_default=false()),
    Column("pair", Integer),
    # A create from it is under way: what appears across is its other half.
    Column("creating", Boolean, nullable=False, server_default=false()),
    # The sync created it; a revert deletes it again.
    Column("made", Boolean, nullable=False, server_default=false()),
    # Nothing is left to do for it, as far as the ledger knows.
    Column("settled", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("side", "id"),
)
_partial_index(
    "records_open_alone",
    records.c.side,
    records.c.row,
    where=and_(records.c.settled == false(), records.c.pair.is_(None)),
)
_partial_index(
    "records_open_pairs",
    records.c.pair,
    where=and_(records.c.settled == false(), records.c.pair.is_not(None)),
)
_partial_index(
    "records_reference",
    records.c.reference,
    where=records.c.reference.is_not(None),
)
_partial_index(
    "records_skip",
    records.c.side,
    records.c.skip,
    records.c.object,
    where=records.c.skip.is_not(None),
)
_partial_index(
    "records_made",
    records.c.side,
    records.c.row,
    where=and_(records.c.made == true(), records.c.deleted == false()),
)
_partial_index(
    "records_paired",
    records.c.side,
    records.c.object,
    where=records.c.pair.is_not(None),
)
_partial_index("records_email", records.c.email, where=records.c.email.is_not(None))
_partial_index(
    "records_missing", records.c.side, records.c.object, where=records.c.missing == true()
)
_partial_index("records_released", records.c.side, where=records.c.released == true())
_partial_index(
    "records_duplicate_of",
    records.c.duplicate_of,
    where=records.c.duplicate_of.is_not(None),
)
_partial_index(
    "records_duplicates",
    records.c.side,
    records.c.skip,
    where=records.c.duplicate_of.is_not(None),
)
_partial_index(
    "records_related",
    records.c.related,
    where=records.c.related.is_not(None),
)
_partial_index(
    "records_successor",
    records.c.successor,
    where=records.c.successor.is_not(None),
)

# From whom a create is under way whose place another takes.
is_leaving: Final = and_(records.c.successor.is_not(None), records.c.creating == true())
_partial_index("records_leaving", records.c.successor, where=is_leaving)

# Whose pair is to move on; and what is gone, but not settled.
_partial_index(
    "records_moving",
    records.c.side,
    records.c.pair,
    where=and_(records.c.successor.is_not(None), records.c.pair.is_not(None)),
)
_partial_index(
    "records_gone",
    records.c.row,
    where=and_(records.c.settled == false(), records.c.deleted == true()),
)

#: A create from it is under way that nobody wants any more.
is_given_up: Final = and_(
    records.c.creating == true(),
    records.c.pair.is_(None),
    or_(
        records.c.deleted == true(),
        records.c.skip.is_not(None),
        records.c.duplicate_of.is_not(None),
    ),
)
_partial_index("records_given_up", records.c.row, where=is_given_up)

observations = Table(
    "observations",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("layout", Integer, nullable=False),
    # MessagePack: the values in the order of the layout's fields.
    Column("body", LargeBinary, nullable=False),
    # MessagePack: canonical number by the phone field's position in the layout.
    Column("numbers", LargeBinary, nullable=False),
    Column("run", Integer, nullable=False),
)

#: Valid numbers of records that can be paired.
phone_numbers = Table(
    "phone_numbers",
    metadata,
    Column("row", Integer, nullable=False),
    Column("number", TEXT, nullable=False),
    # The record has it no more, but a record that is being created from it may show it.
    Column("stale", Boolean, nullable=False),
    PrimaryKeyConstraint("row", "number"),
    sqlite_with_rowid=False,
)
Index("phone_numbers_number", phone_numbers.c.number, phone_numbers.c.row)

#: What nobody looks up before records are first paired; made by `Observations.index`.
LATE_INDEXES: Final = sorted(
    (*records.indexes, *phone_numbers.indexes), key=lambda index: str(index.name)
)
for _index in LATE_INDEXES:
    _index.ddl_if(callable_=lambda *_, **__: False)

pairs = Table(
    "pairs",
    metadata,
    Column("pair", Integer, primary_key=True),
    Column("salesforce_row", Integer, nullable=False, unique=True),
    Column("phoneiq_row", Integer, nullable=False, unique=True),
    # The layout of the baseline: its mapping keys. Both are null until the pair is first planned.
    Column("layout", Integer),
    # MessagePack: canonical values, `UNSET` where the sides never agreed.
    Column("baseline", LargeBinary),
    Column("why", TEXT, nullable=False),
    Column("run", Integer, nullable=False),
)

#: A Salesforce record and a contact that an operator has said are two people.
separated = Table(
    "separated",
    metadata,
    Column("salesforce_row", Integer, nullable=False),
    Column("phoneiq_row", Integer, nullable=False),
    # The newest run then: only a reference that was seen later makes them a pair again.
    Column("run", Integer, nullable=False),
    PrimaryKeyConstraint("salesforce_row", "phoneiq_row"),
    sqlite_with_rowid=False,
)

#: Records that the end of a pair, or of a create, has opened: the next pairing decides about them,
#: and nothing is created from them before.
waiting = Table("waiting", metadata, Column("row", Integer, primary_key=True, autoincrement=False))

#: The journal of writes. Open until the side's own tap shows the values.
writes = Table(
    "writes",
    metadata,
    Column("write", Integer, primary_key=True),
    Column("side", Code(Side), nullable=False),
    # The record that the values come from.
    Column("source_row", Integer, nullable=False),
    Column("action", Code(Action), nullable=False),
    # JSON object of [old, new, why] by field; null for a create, whose values are its source's.
    Column("changes", TEXT),
    Column("run", Integer, nullable=False),
    # The written record's then; null for a create.
    Column("stamp", BigInteger),
    Column("tries", Integer, nullable=False),
    # In how many runs it was delivered, and its side did not show it afterwards.
    Column("refused", Integer, nullable=False, server_default="0"),
    # The run that saw it arrive; 0 where another write took its place.
    Column("confirmed_run", Integer),
    # The record that is written; null for a create.
    Column("target_row", Integer),
    # For an update, JSON of what the record showed before, by field, where that is not the
    # canonical value; null in writes of an older version.
    Column("shown", TEXT),
)
Index("writes_source", writes.c.source_row, writes.c.run)
_partial_index(
    "writes_open",
    writes.c.source_row,
    writes.c.side,
    unique=True,
    where=writes.c.confirmed_run.is_(None),
)

_partial_index(
    "writes_again",
    writes.c.side,
    writes.c.tries,
    where=and_(writes.c.confirmed_run.is_(None), writes.c.tries > 1),
)

#: What is taken back of what earlier runs wrote. It stays when it is done, since the sides differ
#: from then on, until somebody edits the field on one of them.
undos = Table(
    "undos",
    metadata,
    # The record that was written.
    Column("row", Integer, nullable=False),
    # Its field; blank where the whole record was created.
    Column("field", TEXT, nullable=False),
    # The write that is taken back.
    Column("write", Integer, nullable=False),
    # JSON of the canonical value that it gave, or once it is done of the one before; of the one
    # before; of that one as the record showed
    # it, null where that is not known; of the canonical value that the other record keeps. All null
    # where the record was created.
    Column("given", TEXT),
    Column("old", TEXT),
    Column("shown", TEXT),
    Column("across", TEXT),
    PrimaryKeyConstraint("row", "field"),
    sqlite_with_rowid=False,
)

#: What contacts that were there before had in the fields that the sync has written.
originals = Table(
    "originals",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=False),
    # JSON object: value as it was delivered, by field.
    Column("fields", TEXT, nullable=False),
)

#: The writes of a plan that the next run has to stick to.
approved = Table(
    "approved",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("side", TEXT, nullable=False),
    # The same for the same write.
    Column("digest", TEXT, nullable=False),
    # The write without values, for messages.
    Column("line", TEXT, nullable=False),
)
Index("approved_digest", approved.c.side, approved.c.digest)

#: Records whose data was removed on request, as hashes: they are not taken in again.
forgotten = Table("forgotten", metadata, Column("hash", TEXT, primary_key=True))

#: What an open create was made from, where its source has changed since.
made_from = Table(
    "made_from",
    metadata,
    Column("write", Integer, primary_key=True, autoincrement=False),
    Column("layout", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("numbers", LargeBinary, nullable=False),
)

#: Fields that are left out of a pair's or a new record's writes, and why. The field is blank where
#: a whole create or delete is not accepted.
field_skips = Table(
    "field_skips",
    metadata,
    Column("source_row", Integer, nullable=False),
    Column("field", TEXT, nullable=False),
    Column("reason", TEXT, nullable=False),
    # For a flapping field, JSON of the old and the new value that take turns; for one that is not
    # accepted, of the value that is there and the one that was sent.
    Column("detail", TEXT),
    PrimaryKeyConstraint("source_row", "field"),
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("conflict", Integer, primary_key=True),
    Column("run", Integer, nullable=False),
    Column("pair", Integer, nullable=False),
    Column("field", TEXT, nullable=False),
    Column("resolution", TEXT, nullable=False),
    # JSON of the two canonical values.
    Column("salesforce", TEXT),
    Column("phoneiq", TEXT),
)


@cache
def alias(table: Table, name: str) -> NamedFromClause:
    """A table by another name: made once, since that takes longer than most statements with it."""
    return table.alias(name)
