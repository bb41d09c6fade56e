"""What can go wrong, named after what happened.

Each message says what was found, what is allowed and what to do next; it is shown to people as
it is, without a traceback.
"""

from __future__ import annotations

from reconciler.commands import command, job


class ReconcilerError(Exception):
    """Base of every error that stops a run."""


class SettingsError(ReconcilerError):
    """A setting has a value that is not allowed, or two settings contradict each other."""


class MissingStreamError(ReconcilerError):
    """The extract lacks a stream, or a record lacks a field, that the settings need."""


class IncompleteExtractError(ReconcilerError):
    """The input ended before the tap said that its extract is complete."""


class LedgerMismatchError(ReconcilerError):
    """The tap's bookmark belongs to another ledger, or to a newer copy of this one."""


class LedgerError(ReconcilerError):
    """The ledger cannot be opened, or was made by a newer version."""


class DamagedLedgerError(LedgerError):
    """The ledger holds what nothing of ours has written.

    Args:
        reason: What was found, without any of it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the ledger is damaged: {reason}. Put a backup back "
            f"({command('restore FILE')}), or move the damaged ledger away to start anew; then "
            f"read everything again: {job('--full-refresh')}"
        )


class LeaseHeldError(ReconcilerError):
    """Another run works on this ledger, or took it over."""


class PreparingError(LeaseHeldError):
    """Another worker prepares the ledger; those that share the work can wait for it."""


class GuardError(ReconcilerError):
    """A plan would delete, clear or update more than the settings allow without approval."""


class ApprovalError(ReconcilerError):
    """What a side needs is not what the operator has approved."""
