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
