"""Singer mapper that keeps PhoneIQ and Salesforce contacts the same."""
