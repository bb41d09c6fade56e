"""The state and the catalog that the tap is given: files that other programs have written."""

from __future__ import annotations

from datetime import datetime
from typing import IO, Any, Final

import msgspec

from tap_phoneiq.client import StopError


class _Bookmark(msgspec.Struct):
    replication_key_value: str | None = None


class _State(msgspec.Struct):
    bookmarks: dict[str, _Bookmark] = {}


class _CatalogEntry(msgspec.Struct):
    tap_stream_id: str
    schema: dict[str, Any]
    metadata: list[dict[str, Any]] = []


class _Catalog(msgspec.Struct):
    streams: list[_CatalogEntry]


_SHAPES: Final[dict[str, Any]] = {"state": _State, "catalog": _Catalog}
_REMEDY: Final = {
    "state": "remove it (in Meltano: meltano state clear, or run with --full-refresh), and "
    "everything is read again",
    "catalog": "make it again with --discover",
}


def checked(name: str, file: IO[str]) -> str:
    """Return what a file holds, once it is seen to be of this tap.

    Args:
        name: `state` or `catalog`.
        file: The open file.

    Raises:
        StopError: If it is not.
    """
    try:
        text = file.read()
        found = msgspec.convert(msgspec.json.decode(text), _SHAPES[name])
    except msgspec.ValidationError as error:
        message = f"the {name} is none of this tap: {error}; {_REMEDY[name]}"
        raise StopError(message) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = f"the {name} file is not JSON in UTF-8; {_REMEDY[name]}"
        raise StopError(message) from error
    if isinstance(found, _State):
        _check_times(found)
    return text


def _check_times(state: _State) -> None:
    for stream, bookmark in state.bookmarks.items():
        if bookmark.replication_key_value and not _is_time(bookmark.replication_key_value):
            message = (
                f"the state is none of this tap: the bookmark of '{stream}' is no time in ISO "
                f"8601; {_REMEDY['state']}"
            )
            raise StopError(message)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return False
    return True
