"""What both streams share: the session with PhoneIQ, how a failure ends, how messages leave."""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

import click
import msgspec
from phoneiq_client import PhoneIQError
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib import SingerMessageType
from singer_sdk.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from phoneiq_client import ContactField, PhoneIQ
    from singer_sdk.helpers.types import Record
    from singer_sdk.singerlib.encoding.simple import Message

    from tap_phoneiq.tap import TapPhoneIQ


class StopError(click.ClickException):
    """Ends the tap with one logged message and exit code 1, wherever it is raised."""

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002
        """Log the message."""
        logging.getLogger("tap-phoneiq").error(self.message)


@contextmanager
def in_one_message() -> Iterator[None]:
    """Turn what PhoneIQ refuses, or its absence, into a `StopError`."""
    try:
        yield
    except PhoneIQError as error:
        raise StopError(str(error)) from error


class _Record(msgspec.Struct, tag_field="type", tag="RECORD"):
    stream: str
    record: dict[str, Any]
    time_extracted: str


@contextmanager
def _whole() -> Iterator[None]:
    """Let the signals that the SDK has handlers for wait: they would cut a line short."""
    ending = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)


class BufferedWriter(MsgSpecWriter):
    """Writes records as they fill the buffer, and every other message at once."""

    _encode_lines: Final = msgspec.json.Encoder().encode_lines

    def write_page(self, stream: str, records: Iterable[Record], time_extracted: str) -> None:
        """Write records of one stream to stdout.

        Args:
            stream: The stream.
            records: Its records, as they came out of JSON.
            time_extracted: When they came, RFC 3339 in UTC.
        """
        messages = [_Record(stream, record, time_extracted) for record in records]
        lines = self._encode_lines(messages)
        with _whole():
            sys.stdout.buffer.write(lines)

    def write_message(self, message: Message) -> None:
        """Write a message to stdout.

        Args:
            message: The message to write.
        """
        line = self.format_message(message)
        with _whole():
            sys.stdout.buffer.write(line)
            if message.type is not SingerMessageType.RECORD:
                sys.stdout.flush()


class PhoneIQStream(Stream):
    """A stream of one PhoneIQ account."""

    # PhoneIQ's JSON has the schema's types already.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(self, tap: TapPhoneIQ, fields: Sequence[ContactField]) -> None:
        """Set the stream up.

        Args:
            tap: The tap that the stream belongs to.
            fields: The fields of the account's contacts.
        """
        self.fields = fields
        super().__init__(tap)
        self.api: PhoneIQ = tap.api
        self.writer = tap.message_writer

    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Log a message, unless an error that speaks for itself is on its way out.

        The SDK announces every error as an unhandled one.

        Args:
            message: The message.
            args: Its arguments.
            level: Its level.
            kwargs: As `logging` takes them.
        """
        if not isinstance(sys.exc_info()[1], (StopError, BrokenPipeError)):
            super().log(message, *args, level=level, **kwargs)
