"""What runs before what, with two shards: no shard waits for another one of its side."""

from __future__ import annotations

OBSERVED = ("observe-phoneiq", "observe-salesforce-contacts", "observe-salesforce-leads")
TO_PHONEIQ = ("write-phoneiq-1", "write-phoneiq-2")
TO_SALESFORCE = ("write-salesforce-1", "write-salesforce-2")
AGAIN = ("observe-phoneiq-again",)

GRAPH: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(OBSERVED, ()),
    **dict.fromkeys(TO_PHONEIQ, OBSERVED),
    **dict.fromkeys(AGAIN, TO_PHONEIQ),
    **dict.fromkeys(TO_SALESFORCE, AGAIN),
}
