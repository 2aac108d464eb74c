"""Who may do what on a running platform, and how long its certificates are valid."""
