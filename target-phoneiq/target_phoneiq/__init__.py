"""Singer target for PhoneIQ contacts."""
