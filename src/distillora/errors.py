"""The exceptions of distillora.

DistilloraError
 ├── InputError          a mistake of the user: exit status 2, no traceback
 │    ├── RecipeError    an unknown key, a wrong type, contradictory settings
 │    ├── DataError      a row, a label or a file that cannot be read
 │    ├── ModelError     a backbone, a layer choice or a head that does not fit
 │    ├── BundleError    not a bundle, or a bundle without the requested part
 │    ├── HubError       the Hub refuses a token or a repository
 │    └── RunFolderError a folder that is in use, or not of a suitable run
 └── RunError            any other failure: exit status 1
      ├── AdapterError   adapters that do not learn, or differ after saving
      ├── OfflineError   the Hub cannot be reached
      ├── ExportError    a bundle that differs too much from the trained model
      ├── IntegrityError a file without the expected checksum or content
      └── StorageError   the disk is full
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar


class DistilloraError(Exception):
    """Base class. The message says what is wrong, where, and what to do next."""

    exit_code: ClassVar[int] = 1

    def rename_settings(self, names: Mapping[str, str]) -> None:
        """Rename the settings in the message; see the function ``rename_settings``."""
        self.args = (rename_settings(str(self), names),)


class InputError(DistilloraError):
    """A mistake of the user."""

    exit_code: ClassVar[int] = 2


class RecipeError(InputError):
    """A recipe that cannot be used: an unknown key, a wrong type, contradictory settings."""


class DataError(InputError):
    """A row, a label or a file that cannot be read."""


class ModelError(InputError):
    """A backbone, a layer choice or a head that does not fit the recipe."""


class BundleError(InputError):
    """A folder that is not a bundle, or a bundle without the requested part."""


class HubError(InputError):
    """The Hugging Face Hub refuses: no token, no permission, or no such repository."""


class RunFolderError(InputError):
    """A folder that is in use, or does not contain a suitable run."""


class RunError(DistilloraError):
    """A failure that is not the user's mistake."""


class AdapterError(RunError):
    """Adapters that do not learn, or that differ after saving and loading."""


class OfflineError(RunError):
    """The Hugging Face Hub cannot be reached."""


class ExportError(RunError):
    """A bundle that differs too much from the trained model."""


class IntegrityError(RunError):
    """A file without the expected checksum or content."""


class StorageError(RunError):
    """The disk is full."""


def rename_settings(message: str, names: Mapping[str, str]) -> str:
    """Replace each `setting` in backticks by its name in a front end.

    The command line has ``text_column`` as an option, ``distillora.compare`` as the argument
    ``text``. A setting may come with a value. What is not in ``names`` stays as it is.

    >>> rename_settings("Name it with `text_column`.", {"text_column": "--text-column"})
    'Name it with --text-column.'
    >>> rename_settings("Use `data.source: sample`.", {"data.source: sample": "--data sample"})
    'Use --data sample.'
    """
    known = "|".join(map(re.escape, names))
    return re.sub(f"`({known})`", lambda match: names.get(match[1], match[0]), message)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known word, or a list of all of them.

    >>> did_you_mean("tecaher", ["teacher", "odd"])
    " Did you mean 'teacher'?"
    >>> did_you_mean("zzz", ["teacher", "odd"])
    ' Known: odd, teacher.'
    """
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f" Did you mean '{near[0]}'?"
    return f" Known: {', '.join(names)}." if names else ""
