"""Every error that distillora raises on purpose.

DistilloraError
 ├── InputError          the user's mistake: exit status 2, no traceback
 │    ├── RecipeError    an unknown key, a wrong type, settings that contradict each other
 │    ├── DataError      a row, a label or a file that cannot be read
 │    ├── ModelError     a backbone, a layer choice or a head that does not fit
 │    ├── BundleError    a folder that is no bundle, or lacks what is asked of it
 │    ├── HubError       a token, a permission or a repository that the Hub does not accept
 │    └── RunFolderError an output folder that is locked or belongs to another recipe
 └── RunError            a failure on the way: exit status 1
      ├── AdapterError   adapters that do not learn, or do not come back from disk as they were
      ├── OfflineError   the Hub cannot be reached
      ├── ExportError    a bundle that does not compute what the trained model does
      ├── IntegrityError a file does not have the checksum or the key that it should have
      └── StorageError   no space left
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar


class DistilloraError(Exception):
    """Base of the tree; its message says what is wrong, where, and what to do next."""

    exit_code: ClassVar[int] = 1

    def rename_settings(self, names: Mapping[str, str]) -> None:
        """Put what a front end calls a setting in place of its name.

        Messages have the names of settings in backticks. The command line knows ``text_column`` as
        an option, ``distillora.compare`` as the argument ``text``.

        >>> error = DataError("Name it with `text_column`.")
        >>> error.rename_settings({"text_column": "--text-column"})
        >>> str(error)
        'Name it with --text-column.'
        """
        self.args = (re.sub(r"`(\w+)`", lambda m: names.get(m[1], m[0]), str(self)),)


class InputError(DistilloraError):
    """The user's mistake."""

    exit_code: ClassVar[int] = 2


class RecipeError(InputError):
    """A recipe that cannot be used as it stands."""


class DataError(InputError):
    """A data set that cannot be read as it stands."""


class ModelError(InputError):
    """A model that does not fit what the recipe asks of it."""


class BundleError(InputError):
    """A folder that is not a bundle, or a bundle without what is asked of it."""


class HubError(InputError):
    """The Hugging Face Hub refuses: no token, no permission, no such repository."""


class RunFolderError(InputError):
    """An output folder that this run may not write to."""


class RunError(DistilloraError):
    """A failure that is nobody's typing mistake."""


class AdapterError(RunError):
    """Adapters that do not learn, or that are not on disk what they are in memory."""


class OfflineError(RunError):
    """The Hugging Face Hub cannot be reached."""


class ExportError(RunError):
    """A bundle does not compute what the trained model does."""


class IntegrityError(RunError):
    """A file is not what its checksum or key says."""


class StorageError(RunError):
    """The disk is full."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known word, or the list of all of them.

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
