"""A PhoneIQ and a Salesforce on 127.0.0.1, for demos and tests."""
