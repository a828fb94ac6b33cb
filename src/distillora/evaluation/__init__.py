"""Metrics, thresholds, cost, and the schema of the results."""
