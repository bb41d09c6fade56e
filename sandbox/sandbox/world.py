"""Everything that the sandbox consists of, in one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.people import fill

if TYPE_CHECKING:
    from sandbox.clock import Clock
    from sandbox.faults import Faults
    from sandbox.phoneiq.store import ContactStore
    from sandbox.requestlog import RequestLog
    from sandbox.salesforce.store import SalesforceStore


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The two sides, and what tests and people do to them."""

    clock: Clock
    faults: Faults
    requests: RequestLog
    phoneiq: ContactStore
    salesforce: SalesforceStore

    def start_over(self, *, contacts: int, seed: int) -> None:
        """Go back to a fresh start: real time, no faults, new data, no requests."""
        self.clock.reset()
        self.faults.clear()
        self.phoneiq.reset()
        self.salesforce.reset()
        fill(self.phoneiq, self.salesforce, contacts=contacts, seed=seed)
        self.requests.clear()
