"""The stand-in for the Kubernetes resource plugin."""
