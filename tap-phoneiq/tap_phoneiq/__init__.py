"""Singer tap for PhoneIQ contacts."""
