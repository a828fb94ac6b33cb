"""``python -m distillora``, the command line; ``torchrun -m distillora`` uses it too."""

from distillora.cli import main

if __name__ == "__main__":
    main()
