"""SOQL, as far as sync clients use it: text to a small tree.

    SELECT fields | COUNT() FROM object [WHERE condition]
        [ORDER BY field [ASC|DESC] [NULLS FIRST|LAST], …] [LIMIT n] [OFFSET n]

Conditions compare a field with ``= != <> < > <= >= LIKE IN NOT IN``, and combine with AND, OR, NOT
and parentheses. As in Salesforce, AND and OR do not mix without parentheses. Everything else is
MALFORMED_QUERY.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import NamedTuple

from sandbox.salesforce.errors import SalesforceError

MAX_LENGTH = 100_000

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.)*')
      | (?P<datetime>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))
      | (?P<date>\d{4}-\d{2}-\d{2})
      | (?P<number>[+-]?\d+(?:\.\d+)?)
      | (?P<name>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*)
      | (?P<sign><=|>=|<>|!=|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_COMPARISONS = frozenset({"=", "!=", "<>", "<", ">", "<=", ">="})

Kind = OneOf["text", "datetime", "date", "number", "boolean", "null"]


class Literal(NamedTuple):
    """A value of a condition: what it is, and its text (quotes and escapes resolved).

    ``pattern`` is the text for LIKE: the wildcards that were escaped still carry their backslash.
    """

    kind: Kind
    text: str
    pattern: str = ""


@dataclass(frozen=True)
class Comparison:
    """A field compared with one value, or with several (IN, NOT IN)."""

    path: str
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    condition: Condition


@dataclass(frozen=True)
class Group:
    """Conditions joined by AND or OR."""

    operator: str
    conditions: tuple[Condition, ...]


Condition = Comparison | Not | Group


@dataclass(frozen=True)
class Order:
    """One key of ORDER BY."""

    path: str
    descending: bool
    nulls_last: bool


@dataclass(frozen=True)
class Query:
    """A query. ``fields`` is empty for COUNT()."""

    text: str
    sobject: str
    fields: tuple[str, ...]
    where: Condition | None
    order: tuple[Order, ...]
    limit: int | None
    offset: int


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        SalesforceError: MALFORMED_QUERY.
    """
    if len(text) > MAX_LENGTH:
        raise SalesforceError(
            "MALFORMED_QUERY", f"SOQL statements cannot be longer than {MAX_LENGTH} characters"
        )
    try:
        return _Parser(text).query()
    except RecursionError:
        raise SalesforceError("MALFORMED_QUERY", "The condition is nested too deep") from None


class _Token(NamedTuple):
    kind: str
    text: str


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0

    def query(self) -> Query:
        self._keyword("SELECT")
        fields = self._fields()
        self._keyword("FROM")
        sobject = self._name()
        where = self._condition() if self._accept("WHERE") else None
        order: list[Order] = []
        if self._accept("ORDER"):
            self._keyword("BY")
            order.append(self._order())
            while self._accept(","):
                order.append(self._order())
        limit = self._number() if self._accept("LIMIT") else None
        offset = self._number() if self._accept("OFFSET") else 0
        if self._peek().kind != "end":
            raise self._unexpected()
        return Query(self._text, sobject, fields, where, tuple(order), limit, offset)

    def _fields(self) -> tuple[str, ...]:
        first = self._name()
        if first.upper() == "COUNT" and self._accept("("):
            self._keyword(")")
            return ()
        fields = [first]
        while self._accept(","):
            fields.append(self._name())
        return tuple(fields)

    def _order(self) -> Order:
        path = self._name()
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        nulls_last = False
        if self._accept("NULLS"):
            nulls_last = self._accept("LAST")
            if not nulls_last:
                self._keyword("FIRST")
        return Order(path, descending, nulls_last)

    def _condition(self) -> Condition:
        conditions = [self._operand()]
        operator = self._peek().text.upper()
        if operator in {"AND", "OR"}:
            while self._accept(operator):
                conditions.append(self._operand())
            if self._peek().text.upper() in {"AND", "OR"}:
                raise self._unexpected()
        return conditions[0] if len(conditions) == 1 else Group(operator, tuple(conditions))

    def _operand(self) -> Condition:
        if self._accept("NOT"):
            return Not(self._operand())
        if self._accept("("):
            condition = self._condition()
            self._keyword(")")
            return condition
        path = self._name()
        token = self._next()
        if token.text in _COMPARISONS:
            operator = "!=" if token.text == "<>" else token.text
            return Comparison(path, operator, (self._literal(),))
        word = token.text.upper()
        if word == "LIKE":
            return Comparison(path, word, (self._literal(),))
        if word == "NOT":
            self._keyword("IN")
            return Comparison(path, "NOT IN", self._literals())
        if word == "IN":
            return Comparison(path, word, self._literals())
        self._at -= 1
        raise self._unexpected()

    def _literals(self) -> tuple[Literal, ...]:
        self._keyword("(")
        values = [self._literal()]
        while self._accept(","):
            values.append(self._literal())
        self._keyword(")")
        return tuple(values)

    def _literal(self) -> Literal:
        token = self._next()
        word = token.text.upper()
        if token.kind == "text":
            body = token.text[1:-1]
            return Literal("text", _unescape(body), _pattern(body))
        if token.kind == "name" and word in {"TRUE", "FALSE"}:
            return Literal("boolean", word)
        if token.kind == "name" and word == "NULL":
            return Literal("null", word)
        if token.kind == "datetime":
            return Literal("datetime", token.text)
        if token.kind == "date":
            return Literal("date", token.text)
        if token.kind == "number":
            return Literal("number", token.text)
        self._at -= 1
        raise self._unexpected()

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        if token.kind == "end":
            raise self._unexpected()
        self._at += 1
        return token

    def _accept(self, word: str) -> bool:
        token = self._peek()
        if token.kind in {"name", "sign"} and token.text.upper() == word:
            self._at += 1
            return True
        return False

    def _keyword(self, word: str) -> None:
        if not self._accept(word):
            raise self._unexpected()

    def _name(self) -> str:
        if self._peek().kind != "name":
            raise self._unexpected()
        return self._next().text

    def _number(self) -> int:
        token = self._peek()
        if token.kind != "number" or not token.text.isdigit():
            raise self._unexpected()
        return int(self._next().text)

    def _unexpected(self) -> SalesforceError:
        token = self._peek()
        found = "<EOF>" if token.kind == "end" else token.text
        return SalesforceError("MALFORMED_QUERY", f"unexpected token: '{found}'")


def _tokens(text: str) -> list[_Token]:
    text = text.rstrip()
    tokens = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            rest = text[at:].lstrip()
            raise SalesforceError("MALFORMED_QUERY", f"unexpected character: '{rest[:1]}'")
        tokens.append(_Token(match.lastgroup, match.group(match.lastgroup)))
        at = match.end()
    return [*tokens, _Token("end", "")]


def _unescape(body: str) -> str:
    return re.sub(
        r"\\(u[0-9a-fA-F]{4}|.)",
        lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else _ESCAPES.get(m[1].lower(), m[1]),
        body,
        flags=re.DOTALL,
    )


def _pattern(body: str) -> str:
    """Return the text of a LIKE, in which a backslash marks a wildcard taken literally."""
    parts = re.split(r"(\\[%_\\])", body)
    return "".join(
        part if part[:1] == "\\" and len(part) == 2 else _unescape(part) for part in parts
    )
