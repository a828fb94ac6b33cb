"""``python -m distillora``: the command line, as ``torchrun`` starts it."""

from distillora.cli import main

if __name__ == "__main__":
    main()
