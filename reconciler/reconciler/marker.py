"""What the reconciler puts into each STATE, and finds again in the one that comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: Where a STATE carries it: taps of the SDK keep unknown bookmarks, tap-salesforce keeps unknown
#: keys beside them.
KEY: Final = "contact_sync"


def marked(state: Mapping[str, Any], marker: Mapping[str, Any]) -> dict[str, Any]:
    """A STATE with a marker."""
    return {**state, KEY: marker, "bookmarks": (state.get("bookmarks") or {}) | {KEY: marker}}


def delivering(marker: Mapping[str, Any]) -> dict[str, Any]:
    """A run's marker for the STATE behind all its writes.

    A target passes it on only after it has handled what went before.
    """
    return {**marker, "delivered": marker["run"]}


def marker_in(state: Mapping[str, Any]) -> dict[str, Any] | None:
    """The marker that came back with a STATE, or None."""
    marker = state.get(KEY) or (state.get("bookmarks") or {}).get(KEY)
    return marker if isinstance(marker, dict) else None
