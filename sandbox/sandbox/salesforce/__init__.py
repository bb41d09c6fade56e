"""The sandbox's Salesforce: its records (`store`) and its HTTP interface (`app`)."""
