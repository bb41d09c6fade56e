"""The Singer side of the reconciler: messages in, observations; writes, messages out."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BufferedReader
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

import msgspec
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.mapper_base import InlineMapper
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from reconciler.commands import job
from reconciler.ending import ending, terminate
from reconciler.errors import IncompleteExtractError, ReconcilerError, SettingsError
from reconciler.marker import KEY, delivering, marked, marker_in
from reconciler.output import MessageWriter, Output
from reconciler.run import Run
from reconciler.settings import JSON_SCHEMA, Settings

if TYPE_CHECKING:
    import singer_sdk.singerlib as singer

#: The most bytes of messages that are decoded at once.
_TOGETHER: Final = 262_144
#: The most bytes of one message; a record of Salesforce has less than 16 MiB.
_MAX_MESSAGE_BYTES: Final = 64 * 2**20

#: Half of a character beyond U+FFFF, as JSON writes it.
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
#: An escape of JSON: both halves of such a character, one half alone (the group), or another one.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL
)
_KINDS: Final = {list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
#: Letters of a message type that is repeated in an error.
_LONGEST_TYPE: Final = 30
#: U+FFFD, which stands for what is no character.
_REPLACEMENT: Final = rb"\ufffd"


class Message(msgspec.Struct, gc=False):
    """A Singer message; what a record or a STATE says stays text until it matters."""

    type: str
    stream: str = ""
    record: msgspec.Raw = msgspec.Raw(b"null")
    schema: dict[str, Any] = {}
    value: msgspec.Raw = msgspec.Raw(b"null")


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages as bytes, without decoding what is not needed."""

    default_input = sys.stdin.buffer
    _decoder: Final = msgspec.json.Decoder(Message)

    def __init__(self) -> None:
        super().__init__()
        #: Whether the input ended in the middle of a message.
        self.is_cut = False
        self._count = 0

    def deserialize_json(self, line: bytes) -> Any:
        """Decode one message.

        Raises:
            ReconcilerError: The line is not a Singer message; it is not repeated, since it may
                hold a person's data.
        """
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ReconcilerError(
                f"message {self._count + 1:,} of the input is not a Singer message: "
                f"{_without_text(error)}. Look at what the tap sends: it may print something else "
                "to its standard output"
            ) from None

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[Any], None]]
    ) -> Counter[str]:
        """Hand each `Message` to the callback of its type."""
        source: Any = getattr(file_input, "buffer", file_input) or self.default_input
        seen: dict[str, int] = dict.fromkeys(callbacks, 0)
        for message in chain.from_iterable(map(self._decode_lines, self._arriving(source))):
            kind = message.type
            if kind not in seen:
                known = f" '{kind}'" if kind.isidentifier() and len(kind) < _LONGEST_TYPE else ""
                raise ReconcilerError(
                    f"message {self._count + 1:,} of the input is of unknown type{known}; a Singer "
                    f"message is one of {', '.join(sorted(seen))}"
                )
            callbacks[kind](message)
            seen[kind] += 1
            self._count += 1
        return Counter(seen)

    def _decode_lines(self, lines: bytes) -> Iterable[Message]:
        try:
            return self._decoder.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # What comes before the bad line is taken, and the error says what is wrong with it.
            return self._decode_one_by_one(lines)

    def _decode_one_by_one(self, lines: bytes) -> Iterator[Message]:
        for line in filter(bytes.strip, lines.splitlines(keepends=True)):
            try:
                yield self.deserialize_json(line)
            except ReconcilerError:  # noqa: PERF203
                if line.endswith(b"\n") or not _is_beginning(line):
                    raise
                self.is_cut = True

    def _arriving(self, source: BufferedReader) -> Iterator[bytes]:
        """All lines that have arrived, again and again; no line waits for the next one."""
        begun: list[bytes] = []
        size = 0
        while arrived := source.read1(_TOGETHER):
            end = arrived.rfind(b"\n") + 1
            if end:
                yield _readable(b"".join((*begun, arrived[:end])))
                begun, size = [], 0
            begun.append(arrived[end:])
            size += len(arrived) - end
            if size > _MAX_MESSAGE_BYTES:
                raise ReconcilerError(
                    f"message {self._count + 1:,} of the input is longer than "
                    f"{_MAX_MESSAGE_BYTES // 2**20} MiB, so it is no record of PhoneIQ or "
                    "Salesforce; look at what the tap sends"
                )
        if last := b"".join(begun):
            yield _readable(last)


def _readable(lines: bytes) -> bytes:
    """Lines with U+FFFD in place of each half of a character: no other program can read those."""
    if not _SURROGATE.search(lines):
        return lines
    return _ESCAPE.sub(lambda found: _REPLACEMENT if found[1] else found[0], lines)


def _is_beginning(line: bytes) -> bool:
    """Whether more of a line could have made a message of it."""
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return line.lstrip().startswith(b"{")
    except (UnicodeDecodeError, RecursionError):
        return False
    return False


def _without_text(error: Exception) -> str:
    """What is wrong with JSON, without any of it."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not in UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error)


class Reconciler(InlineMapper):
    """Keeps the contacts of PhoneIQ and Salesforce the same, from what their taps show."""

    name = "reconciler"
    package_name = "contact-sync-reconciler"
    config_jsonschema = JSON_SCHEMA
    message_reader_class = MessageReader
    message_writer_class = MessageWriter

    message_writer: MessageWriter

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run: Run
        self.output: Output
        self._state: msgspec.Raw | None = None
        self._state_is_newest = False
        self._started = False

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings; our checks say more than their JSON Schema could."""
        try:
            self.settings = Settings.from_config(self._config)
        except SettingsError as error:
            if raise_errors:
                raise ConfigValidationError(
                    str(error), errors=[str(error)], schema=self.config_jsonschema
                ) from None
            return [str(error)]
        return []

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the mapper over its input.

        Args:
            about: Show the mapper's settings instead.
            about_format: `json` or `markdown`.
            config: The settings.
            file_input: Where messages come from; standard input by default.
        """
        if about:
            super().invoke(about=about, about_format=about_format)
        given = config or _ConfigInput()
        with ending(cls.logger, lambda: _drain(file_input)):
            mapper = cls(config=given.config, parse_env_config=given.parse_env)
            with Run(mapper.settings) as mapper.run:
                mapper.output = Output(mapper.message_writer, mapper.run.schema_of)
                mapper.listen(file_input)

    def _handle_termination(self, signum: int, frame: object) -> NoReturn:  # noqa: ARG002
        terminate(signum)

    # --- messages in ------------------------------------------------------------------------

    def map_schema_message(self, message_dict: Any) -> Iterable[singer.Message]:
        """Note a stream."""
        self._state_is_newest = False
        self.run.describe(message_dict.stream, message_dict.schema)
        return ()

    def _process_record_message(self, message_dict: Any) -> None:
        self._started = True
        self._state_is_newest = False
        if self.run.observe(message_dict.stream, message_dict.record):
            self._pass_on_state()

    def map_record_message(self, message_dict: Any) -> Iterable[singer.Message]:
        """Take a record; writes come when the extract is complete."""
        self._process_record_message(message_dict)
        return ()

    def _process_state_message(self, message_dict: Any) -> None:
        self.map_state_message(message_dict)

    def map_state_message(self, message_dict: Any) -> Iterable[singer.Message]:
        """Keep the newest STATE until what it covers is committed.

        tap-salesforce sends one after each record, so they are not even decoded here.
        """
        self._state = message_dict.value
        self._state_is_newest = True
        if not self._started:
            self._started = True
            state = _decoded(self._state)
            marker = marker_in(state)
            self.run.check_marker(marker, has_bookmark=_has_bookmark(state))
            self.run.note_delivered(marker)
        return ()

    def map_batch_message(self, message_dict: Any) -> NoReturn:
        """Refuse records that come as files.

        Raises:
            ReconcilerError: Always; says which setting of the tap sends them.
        """
        raise ReconcilerError(
            f"the tap sends the records of stream '{message_dict.stream}' as files (BATCH "
            "messages), which cannot be compared record by record; take 'batch_config' out of the "
            "tap's settings"
        )

    def map_activate_version_message(
        self,
        message_dict: Any,  # noqa: ARG002
    ) -> Iterable[singer.Message]:
        """Ignore table versions: absence is never a deletion."""
        return ()

    # --- the end of the input ---------------------------------------------------------------

    def process_endofpipe(self) -> None:
        """Pass on the closing STATE, then the writes.

        Raises:
            IncompleteExtractError: The tap did not say that its extract is complete.
        """
        if self.run.is_idle:
            return
        self.run.commit()
        state = _decoded(self._state)
        self._pass_on_state()
        reader: Any = self.message_reader
        if reader.is_cut or not (self._state_is_newest and _is_closing(state)):
            raise IncompleteExtractError(
                "the input ended before the tap said that its extract is complete: it crashed or "
                "was stopped. What arrived is stored, nothing was written; see the tap's last "
                "message, then run the job again"
            )
        self.run.complete()
        has_written = False
        for writes in self.run.plan():
            has_written = has_written or bool(writes)
            self.output.send(writes, self.run.is_paused)
        if has_written and not self.run.is_paused():
            # It comes back with the next run once the target has handled all that went before.
            self._pass_on_state(delivered=True)

    def _pass_on_state(self, *, delivered: bool = False) -> None:
        """Forward the newest STATE: all that it covers is committed.

        Args:
            delivered: Whether all writes of this run went before it.
        """
        if self._state is None:
            return
        state = _decoded(self._state)
        marker = self.run.marker
        if delivered:
            marker = delivering(marker)
        # The next run reads every stream from its bookmark, also after a crash in a later one.
        state.pop("current_stream", None)
        state.pop("complete", None)
        self.message_writer.write_message({"type": "STATE", "value": marked(state, marker)})
        self.message_writer.flush()


def _drain(file_input: IO[Any] | None) -> None:
    """Read what the tap still sends.

    Meltano shows a traceback of its own where a mapper closes its input while it is written to.
    """
    lines: Any = file_input or MessageReader.default_input
    if not lines.isatty():
        for _ in lines:
            pass


def _decoded(state: msgspec.Raw | None) -> dict[str, Any]:
    """A STATE's value.

    Raises:
        ReconcilerError: It is not one that a tap of Singer writes.
    """
    if state is None:
        return {}
    try:
        value = msgspec.json.decode(state)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad_state(_without_text(error)) from None
    if not isinstance(value, dict):
        raise _bad_state(f"its value is {_kind_of(value)}")
    bookmarks = value.get("bookmarks")
    if bookmarks is not None and not isinstance(bookmarks, dict):
        raise _bad_state(f"its 'bookmarks' are {_kind_of(bookmarks)}")
    return value


def _bad_state(what: str) -> ReconcilerError:
    return ReconcilerError(
        f"the tap sent a STATE that cannot be read: {what}, an object was expected. If the state "
        "that Meltano keeps is damaged, read everything again: "
        f"{job('--full-refresh')}"
    )


def _kind_of(value: Any) -> str:
    """What a value is in the words of JSON."""
    return _KINDS.get(type(value), "a number")


def _has_bookmark(state: Mapping[str, Any]) -> bool:
    """Whether the extract does not begin at the beginning."""
    bookmarks = state.get("bookmarks")
    if not isinstance(bookmarks, dict):
        return False
    return any(
        value is not None and not key.startswith(("version", "starting_", "replication_key_sign"))
        for stream, bookmark in bookmarks.items()
        if stream != KEY and isinstance(bookmark, dict)
        for key, value in bookmark.items()
    )


def _is_closing(state: Mapping[str, Any]) -> bool:
    """Whether a STATE says that the extract is complete.

    tap-phoneiq says so with a marker; tap-salesforce, and whatever is built on singer-python,
    names no current stream any more.
    """
    if state.get("complete") is True:
        return True
    return "current_stream" in state and state["current_stream"] is None
