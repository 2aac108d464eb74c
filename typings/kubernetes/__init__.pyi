# The part of the Kubernetes client that this project uses: its own annotations leave much of it unknown.
