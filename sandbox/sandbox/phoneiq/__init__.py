"""A PhoneIQ: the contact API of `openapi.yaml`, on SQLite."""
