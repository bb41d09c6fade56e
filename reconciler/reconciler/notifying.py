"""Telling a webhook that the state of the sync has changed its colour."""

from __future__ import annotations

import logging
from typing import Final

import requests

from reconciler.ledger import Ledger
from reconciler.lifecycle import current_state

logger = logging.getLogger(__name__)

#: Seconds to connect, and to wait for an answer.
_PATIENCE: Final = (3, 5)


def notify(ledger: Ledger, url: str | None, run: int) -> None:
    """Tell of a change of colour since the last run, as Slack's incoming webhooks take it.

    Whatever goes wrong is logged, without the URL, which is a secret; a notification that was not
    delivered is tried again by the next run.

    Args:
        ledger: The open ledger.
        url: The webhook; None tells nobody.
        run: The run that has just ended.
    """
    if url is None:
        return
    state, told = current_state(ledger), ledger.controls.get("told")
    if state.colour == told:
        return
    if told is not None:
        text = f"Contact Sync is {state.colour}: {state.name}, {state.why}"
        message = {
            "text": f"{text}. Next: {state.next}" if state.next else text,
            "state": state.name,
            "colour": state.colour,
            "why": state.why,
            "run": run,
        }
        try:
            requests.post(url, json=message, timeout=_PATIENCE).raise_for_status()
        except requests.RequestException as error:
            answer = f"status {error.response.status_code}" if error.response is not None else (
                type(error).__name__
            )  # fmt: skip
            logger.warning(
                "the notification of setting 'notify_url' was not delivered (%s); the next run "
                "tries again",
                answer,
            )
            return
    ledger.controls.set({"told": state.colour})
