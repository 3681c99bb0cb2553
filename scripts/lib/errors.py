"""What a user can mend."""


class UserError(Exception):
    """Bad input. The message says what is wrong, where, and the mend, in one line."""
