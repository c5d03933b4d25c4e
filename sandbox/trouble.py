"""The one error of `make run` that is no bug."""


class Trouble(Exception):
    """Something that the person at the terminal must change. The text says what."""
