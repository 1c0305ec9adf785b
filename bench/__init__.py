"""Benchmarks that print percentiles, ratios to the peers, machine and versions."""
