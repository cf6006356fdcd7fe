"""The errors of Nocturne's jobs and stores, and how their sentences are found in a log."""

import re

SENTENCE = re.compile(r"[a-z][a-z_]*: ")


class NocturneError(Exception):
    """Base of every error that Nocturne raises on purpose; the message says what to do."""


class SettingsError(NocturneError):
    """A setting is missing or has a value that cannot be used."""


class BadInput(NocturneError):
    """A file, an argument or a record that was given cannot be used as it is."""


class TooLittleData(NocturneError):
    """There is not enough listening data to train on; nothing was published."""


class BadModel(NocturneError):
    """A training or an index is not what its data says it must be; nothing was published."""


class LeaseLost(NocturneError):
    """This process does not hold the lease that it needs to write, or lost it."""


class NotPublished(NocturneError):
    """A generation was not made live; the one that was live still is."""


class StoreAway(NocturneError):
    """A store does not answer; the same command can be run again."""


class OffsetsLost(NocturneError):
    """Kafka dropped messages before the stream had read them."""


class LakeBroken(NocturneError):
    """The log tables lack offsets, or hold some twice."""


class NotErased(NocturneError):
    """Something of a listener who is to be erased is still there."""


def last_sentence(lines: list[str]) -> str:
    """Return the last line of a log that a job said itself, or "" where none is.

    Jobs begin what they say with their name; Spark's own lines begin with a time or in capitals.

    Examples:
        >>> last_sentence(["train_als: rows 7", "12:00:01 WARN Y: z", "train_als: too little"])
        'train_als: too little'
        >>> last_sentence(["WARNING: Using x"])
        ''
    """
    return next((line for line in reversed(lines) if SENTENCE.match(line)), "")
