"""The gate that ends ``up`` when the platform is healthy."""
