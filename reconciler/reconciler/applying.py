"""Applying settings to a ledger: reading its records again once they have changed."""

from __future__ import annotations

from reconciler.errors import SettingsError
from reconciler.ledger import Ledger
from reconciler.model import PHONEIQ, SALESFORCE
from reconciler.observation import Observer
from reconciler.settings import Settings


def are_applied(ledger: Ledger, settings: Settings) -> bool:
    """Whether the ledger was last planned with these settings."""
    return bool(ledger.controls.get("fingerprint") == settings.fingerprint)


def applied_settings(ledger: Ledger, settings: Settings) -> Settings:
    """The settings that the ledger was last planned with, or these where there are none.

    Args:
        ledger: The open ledger.
        settings: The settings of now.
    """
    applied = ledger.controls.get("settings")
    if applied is None or are_applied(ledger, settings):
        return settings
    given = {"mode": settings.mode, "ledger_url": settings.ledger_url}
    try:
        return Settings.from_config(applied | given)
    except SettingsError:
        # An older version took them; what it stored is read again by the next run in any case.
        return settings


def apply_settings(ledger: Ledger, settings: Settings, run: int) -> None:
    """Read every record again with the settings of now, and let all of them be planned again.

    Args:
        ledger: The open ledger, which nothing else works on.
        settings: The settings of now.
        run: The run that does it.
    """
    ledger.runs.need(settings.needed_streams)
    if ledger.controls.get("fingerprint") is not None:
        for side in (SALESFORCE, PHONEIQ):
            observer = Observer(side, settings)
            for records in ledger.observations.bodies(side):
                ledger.observations.store([observer.read(*one) for one in records], run)
        ledger.plans.unpark()
        ledger.observations.reopen_all()
    ledger.controls.set({"fingerprint": settings.fingerprint, "settings": settings.as_config()})
