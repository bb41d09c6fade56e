"""The database that holds observations, pairs, baselines, decisions and runs."""

from reconciler.ledger.ledger import Ledger

__all__ = ["Ledger"]
