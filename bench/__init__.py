"""Benchmarks: each compares two ways to get the same result, in one run on one machine with the same images."""
