"""`python -m target_salesforce` is the command `target-salesforce`."""

from target_salesforce.target import TargetSalesforce

TargetSalesforce.cli()
