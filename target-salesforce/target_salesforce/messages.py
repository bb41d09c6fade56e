"""The input: Singer messages, each checked before anything is done with it."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

import msgspec
from singer_sdk.contrib.msgspec import decoder
from singer_sdk.exceptions import MissingKeyPropertiesError, RecordsWithoutSchemaException
from singer_sdk.singerlib.encoding import GenericSingerReader
from singer_sdk.singerlib.exceptions import InvalidInputLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDING: Final = (signal.SIGINT, signal.SIGTERM)
"""The signals that the SDK has handlers for."""

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
_DRAIN_BYTES: Final = 1 << 18
_LONGEST_NAME: Final = 80
"""Characters of a name out of the input that a message shows."""

INPUT_ERRORS: Final = (InvalidInputLine, MissingKeyPropertiesError, RecordsWithoutSchemaException)
"""What is wrong with a message, not with the target or with Salesforce."""

_TYPES: Final = ("SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION")


class _InputEnded(BaseException):
    """A signal came while the input was waited for."""


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages with msgspec; its errors quote no record.

    A signal is the end of the input, between two messages. It waits until a message is done with:
    what it interrupts may be half a batch, half a line of the reject file or half a STATE. So is a
    message that breaks the rules of Singer: what came before it is written, then the run fails.

    Attributes:
        signal: the signal that ended the input.
        problem: what is wrong with the message that ended the input.
    """

    signal: int | None = None
    problem: Exception | None = None
    _is_waiting = False

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input."""
        return sys.stdin.buffer

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Hand each message to the callback of its type, up to the end or a wrong message."""
        counts: Counter[str] = Counter()
        source: Any = getattr(file_input, "buffer", file_input) or self.default_input
        for number, line in enumerate(self._until_signal(source), 1):
            try:
                message = self.deserialize_json(line)
                _check(message)
                callbacks[message["type"]](message)
            except INPUT_ERRORS as error:
                self.problem = type(error)(f"message {number} of the input: {error}")
                break
            counts[message["type"]] += 1
        return counts

    def _until_signal(self, source: IO[Any]) -> Iterator[bytes]:
        try:
            while True:
                # In this order: a signal is seen here, or ends the wait.
                self._is_waiting = True
                line = source.readline(MAX_LINE_BYTES + 1) if self.signal is None else b""
                self._is_waiting = False
                if not line:
                    return
                yield line.encode() if isinstance(line, str) else line
        except _InputEnded:
            return

    def end(self, signum: int) -> None:
        """End the input; called by a signal, in the middle of whatever is done.

        Raises:
            _InputEnded: nothing but waiting for the input is done.
        """
        if self.signal is None:
            self.signal = signum
            if self._is_waiting:
                raise _InputEnded

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Return the message of one line.

        Raises:
            InvalidInputLine: the line is too long, or no JSON object.
        """
        if len(line) > MAX_LINE_BYTES:
            raise InvalidInputLine(
                f"it is longer than {MAX_LINE_BYTES:,} bytes, which is the most that is read"
            )
        try:
            message = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # A decode error of Unicode holds the bytes, which are personal.
            reason = str(error) if isinstance(error, msgspec.DecodeError) else type(error).__name__
            raise InvalidInputLine(
                f"it is not JSON in UTF-8 ({reason}); a Singer message is one JSON object a line"
            ) from None
        if not isinstance(message, dict):
            raise InvalidInputLine(
                f"it is {_kind(message)}; a Singer message is one JSON object a line"
            )
        return message

    @staticmethod
    def assert_line_requires(line_dict: dict[str, Any], requires: set[str]) -> None:
        """Check that a message has what it needs.

        Raises:
            InvalidInputLine: it has not.
        """
        if missing := requires - line_dict.keys():
            raise InvalidInputLine(
                f"a {line_dict.get('type', 'Singer')} message lacks {', '.join(sorted(missing))}"
            )


def _check(message: dict[str, Any]) -> None:
    """Check that a message has all that its type asks for, and of the right kind.

    Raises:
        InvalidInputLine: it has not.
    """
    kind = message.get("type")
    if kind == "BATCH":
        raise InvalidInputLine(
            f"a BATCH of the stream {_name(message.get('stream'))}: records in files are not "
            f"supported; remove batch_config from the tap's settings"
        )
    if kind not in _TYPES:
        found = "no type" if kind is None else f"the type {_name(kind)}"
        raise InvalidInputLine(f"it has {found}; allowed are {', '.join(_TYPES)}")
    if kind == "STATE":
        _expect(message, "value", dict, "a STATE")
        return
    stream = _expect(message, "stream", str, f"a {kind}")
    what = f"a {kind} of the stream {_name(stream)}"
    if kind == "RECORD":
        _expect(message, "record", dict, what)
    elif kind == "SCHEMA":
        schema = _expect(message, "schema", dict, what)
        properties = _expect(schema, "properties", dict, f"{what}: schema")
        for name in properties:
            _expect(properties, name, dict, f"{what}: properties")
        keys = message.get("key_properties")
        if keys is not None and not (
            isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        ):
            raise InvalidInputLine(f"{what}: key_properties must be a list of names")


def _expect(holder: dict[str, Any], name: str, kind: type, what: str) -> Any:
    value = holder.get(name)
    if not isinstance(value, kind):
        found = f"{_name(name)} is {_kind(value) if name in holder else 'missing'}"
        raise InvalidInputLine(f"{what}: {found}, allowed is {_KINDS[kind]}")
    return value


_KINDS: Final = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "a boolean",
    type(None): "null",
}


def _kind(value: object) -> str:
    """Say of what kind a JSON value is, without showing it."""
    return _KINDS.get(type(value), "a number")


def _name(value: object) -> str:
    """Show a name out of the input in one line, and not all of a long one."""
    if not isinstance(value, str):
        return _kind(value)
    return repr(value if len(value) <= _LONGEST_NAME else value[:_LONGEST_NAME] + "…")


@contextmanager
def read_to_end(source: IO[bytes] | None) -> Iterator[None]:
    """Read what still comes before an error ends the process.

    Meltano shows tracebacks of its own where a target closes its input while it is written to.

    Args:
        source: the input; None where it is a file.
    """
    try:
        yield
    except Exception:
        if source is not None:
            _drain(source)
        raise


def _drain(source: IO[bytes]) -> None:
    """Read to the end, or to the next signal."""

    def stop(signum: int, frame: object) -> NoReturn:  # noqa: ARG001
        raise _InputEnded

    for number in ENDING:
        signal.signal(number, stop)
    with suppress(_InputEnded, OSError, ValueError):
        if not source.isatty():
            while source.read(_DRAIN_BYTES):
                pass
