"""The input: Singer messages, read fast, each checked before anything is done with it."""

from __future__ import annotations

import io
import signal
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

import msgspec
from singer_sdk.exceptions import MissingKeyPropertiesError, RecordsWithoutSchemaException
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_phoneiq.errors import InputError, SignalError
from target_phoneiq.writes import NOT_JSON, decode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK: Final = 1 << 18
"""The most bytes of input that are read at once."""

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
_LONGEST_NAME: Final = 80
"""Characters of a name out of the input that a message shows."""

INPUT_ERRORS: Final = (InputError, MissingKeyPropertiesError, RecordsWithoutSchemaException)
"""What is wrong with a message, not with the target or with PhoneIQ."""

ENDING: Final = (signal.SIGINT, signal.SIGTERM)
"""The signals that the SDK has handlers for."""

_TYPES: Final = ("SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION")


class _DrainEnded(BaseException):
    """A signal came while nothing was done but to read to the end."""


class _Message(msgspec.Struct):
    """A Singer message; what a record holds stays text until it is known what it is for."""

    type: str
    stream: str = ""
    record: msgspec.Raw = msgspec.Raw()


_decode_message = msgspec.json.Decoder(_Message).decode


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages fast, and keeps their content, which is personal, out of errors.

    A signal ends the reading, but not in the middle of what is done with a message: that may be
    half a line of the reject file or half a STATE.

    A message that breaks the rules of Singer ends it, too: what came before is still written.

    Attributes:
        number: Number of the first message that is handed over, counted from 1.
        problem: What is wrong with the message that ended the input.
    """

    number = 0
    problem: Exception | None = None
    _signal: int | None = None
    _is_waiting = False

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input."""
        return sys.stdin.buffer

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Hand each message to the callback of its type; records in a row together, as `records`.

        A record that can stay so is undecoded. What has arrived is handed over at once.

        Args:
            file_input: The messages, a line each.
            callbacks: What takes the messages, by type.

        Returns:
            How many messages of each type there were.

        Raises:
            SignalError: If a signal came.
        """
        seen: Counter[str] = Counter()
        try:
            self._hand_over_all(file_input, callbacks, seen)
        except INPUT_ERRORS as error:
            self._is_waiting = False
            self.problem = type(error)(f"message {self.number} of the input: {error}")
        return seen

    def _hand_over_all(
        self,
        file_input: IO[Any] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
        seen: Counter[str],
    ) -> None:
        self.number = 1

        def hand_over(kind: str, message: dict[str, Any], count: int = 1) -> None:
            first = self.number
            callbacks[kind](message)
            self.number = first + count
            seen[kind] += count

        def hand_over_records(stream: str, records: list[msgspec.Raw]) -> None:
            if records:
                message = {"type": "RECORD", "stream": stream, "records": records}
                hand_over("RECORD", message, len(records))

        source = getattr(file_input, "buffer", file_input) or self.default_input
        self._wait()
        for lines in _arriving(source):
            self._is_waiting = False
            stream: str = ""
            records: list[msgspec.Raw] = []
            for line, read in zip(lines, _messages(lines), strict=True):
                if read is not None and read.type == "RECORD" and read.stream and read.record:
                    if read.stream != stream:
                        hand_over_records(stream, records)
                        stream, records = read.stream, []
                    records.append(read.record)
                    continue
                hand_over_records(stream, records)
                records = []
                message = self.deserialize_json(line)
                _check(message)
                if message["type"] == "RECORD":
                    message["records"] = [message["record"]]
                hand_over(message["type"], message)
            hand_over_records(stream, records)
            self._wait()
        self._is_waiting = False

    def _wait(self) -> None:
        # In this order: a signal is seen here, or ends the wait.
        self._is_waiting = True
        if self._signal is not None:
            raise SignalError(self._signal)

    def end(self, signum: int) -> None:
        """End the reading; called by a signal, in the middle of whatever is done.

        Args:
            signum: The signal.

        Raises:
            SignalError: If nothing is done but to wait for input.
        """
        if self._signal is None:
            self._signal = signum
            if self._is_waiting:
                raise SignalError(signum)

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Return the message of one line.

        Args:
            line: The line.

        Raises:
            InputError: If the line is no JSON object.
        """
        try:
            message = decode_json(line)
        except ValueError:
            text = "it is not JSON in UTF-8; a Singer message is one JSON object a line"
            raise InputError(text) from None
        if not isinstance(message, dict):
            text = f"it is {kind_of(message)}; a Singer message is one JSON object a line"
            raise InputError(text)
        return message

    @staticmethod
    def assert_line_requires(line_dict: dict[str, Any], requires: set[str]) -> None:
        """Check that a message has what it needs.

        Raises:
            InputError: If it has not.
        """
        if missing := requires - line_dict.keys():
            text = f"a {line_dict.get('type', 'message')} lacks {', '.join(sorted(missing))}"
            raise InputError(text)


def _check(message: dict[str, Any]) -> None:
    """Check that a message has all that its type asks for, and of the right kind.

    Raises:
        InputError: If it has not.
    """
    kind = message.get("type")
    if kind == "BATCH":
        text = (
            f"a BATCH of the stream {_shown(message.get('stream'))}: records in files are not "
            "supported; remove batch_config from the tap's settings"
        )
        raise InputError(text)
    if kind not in _TYPES:
        found = "no type" if kind is None else f"the type {_shown(kind)}"
        text = f"it has {found}; allowed are {', '.join(_TYPES)}"
        raise InputError(text)
    if kind == "STATE":
        _expect(message, "value", dict, "a STATE")
        return
    stream = _expect(message, "stream", str, f"a {kind}")
    what = f"a {kind} of the stream {_shown(stream)}"
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
            text = f"{what}: key_properties must be a list of names"
            raise InputError(text)


_KINDS: Final = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "a boolean",
    type(None): "null",
}


def _expect(holder: dict[str, Any], name: str, kind: type, what: str) -> Any:
    value = holder.get(name)
    if not isinstance(value, kind):
        found = kind_of(value) if name in holder else "missing"
        text = f"{what}: {_shown(name)} is {found}, allowed is {_KINDS[kind]}"
        raise InputError(text)
    return value


def kind_of(value: object) -> str:
    """Say of what kind a JSON value is, without showing it."""
    return _KINDS.get(type(value), "a number")


def _shown(value: object) -> str:
    """Show a name out of the input in one line, and not all of a long one."""
    if not isinstance(value, str):
        return kind_of(value)
    return ascii(value if len(value) <= _LONGEST_NAME else value[:_LONGEST_NAME] + "...")


@contextmanager
def read_to_end(source: IO[bytes] | None) -> Iterator[None]:
    """Read what still comes before an error ends the process.

    Meltano shows tracebacks of its own where a target closes its input while it is written to.

    Args:
        source: The input; None where it is a file.
    """
    try:
        yield
    except SignalError:
        raise
    except Exception:
        if source is not None:
            _drain(source)
        raise


def _drain(source: IO[bytes]) -> None:
    """Read to the end, or to the next signal."""

    def stop(signum: int, frame: object) -> NoReturn:  # noqa: ARG001
        raise _DrainEnded

    for number in ENDING:
        signal.signal(number, stop)
    with suppress(_DrainEnded, OSError, ValueError):
        if not source.isatty():
            while source.read(CHUNK):
                pass


def _arriving(source: IO[Any]) -> Iterator[list[bytes]]:
    """Yield the lines of a stream as they arrive, those together that came together."""
    read = getattr(source, "read1", None)
    if read is None:
        # A text in memory.
        yield io.BytesIO(source.read().encode()).readlines()
        return
    begun: list[bytes] = []
    size = 0
    while chunk := read(CHUNK):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield io.BytesIO(b"".join([*begun, chunk[:end]])).readlines()
            begun.clear()
            size = 0
        begun.append(chunk[end:])
        size += len(chunk) - end
        if size > MAX_LINE_BYTES:
            text = f"it is longer than {MAX_LINE_BYTES:,} bytes, which is the most that is read"
            raise InputError(text)
    if last := b"".join(begun):
        yield [last]


def _messages(lines: list[bytes]) -> list[_Message | None]:
    """Decode lines; None stands for one that is no message at first sight."""
    try:
        return list(map(_decode_message, lines))
    except NOT_JSON:
        return list(map(_message, lines))


def _message(line: bytes) -> _Message | None:
    try:
        return _decode_message(line)
    except NOT_JSON:
        return None
