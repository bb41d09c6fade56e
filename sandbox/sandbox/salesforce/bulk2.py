"""Bulk API 2.0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.routing import Route

    from sandbox.salesforce.calls import Org


def routes(_org: Org) -> list[Route]:
    """Return the routes of Bulk 2.0."""
    return []
