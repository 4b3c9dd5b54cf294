"""The mistakes a person can make and mend. Anything else that is raised is a fault of ours."""


class GenmodelsError(Exception):
    """One sentence that says what is wrong and what to do.

    The command line prints it and exits with 2; a page shows it in place.
    """


class RecipeError(GenmodelsError):
    """A recipe, or an option of a command, that cannot be trained."""


class RunError(GenmodelsError):
    """A run folder that is missing, damaged, busy or from another version."""


class DataError(GenmodelsError):
    """A data set, or a set of own pictures, that is missing, incomplete or damaged."""


class FolderError(GenmodelsError):
    """A folder that cannot be written: it is another user's, read-only, or its disk is full."""


class LockError(RunError):
    """A run's lock, or another, that cannot be had: there are no locks, or its file is amiss."""
