"""Set-up, plugins and a test cluster for machines that reach only package registries."""
