"""distillora: make a small text classifier out of a large one, and see which way is best."""

__version__ = "0.1.0"
