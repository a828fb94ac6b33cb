"""The objective, the cached teacher outputs and the one training loop."""
