"""Singer mapper that keeps the contacts of PhoneIQ and Salesforce the same."""
