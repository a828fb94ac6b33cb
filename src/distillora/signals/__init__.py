"""Signals computed from a classifier's output, such as toxicity."""
