"""The one exception that a user's input can cause."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence for a person: what was expected, what came, what to do. The command line prints it
    on stderr and exits with code 2; Python callers see a `ValueError`.
    """
