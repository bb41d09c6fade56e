"""Singer target for Salesforce that upserts by external id."""
