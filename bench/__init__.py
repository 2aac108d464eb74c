"""Benchmarks: each compares two ways to the same result in one run, on the same machine and images."""
