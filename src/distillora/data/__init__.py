"""Texts and their labels: where they come from, what is in them, their tokens."""
