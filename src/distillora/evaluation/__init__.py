"""Metrics, thresholds, calibration, statistics, cost, and the schema of the results."""
