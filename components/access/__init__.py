"""Who may do what: certificates, users, access rules, quotas."""
