"""The people of the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.phoneiq.store import ContactStore
    from sandbox.salesforce.store import SalesforceStore

MAX_CONTACTS = 1_000_000


def fill(phoneiq: ContactStore, salesforce: SalesforceStore, *, contacts: int, seed: int) -> None:
    """Fill."""
