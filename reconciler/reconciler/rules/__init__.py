"""The rules of a sync as pure functions, in the order of docs/how-a-sync-works.md."""
