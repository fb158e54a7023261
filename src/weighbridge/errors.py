"""What can go wrong, as one tree.

    WeighbridgeError            every error a caller may expect
    └── InputError              the user's input: exit code 2, one sentence
        ├── UnitError           a number or size that cannot be read
        ├── ModelReferenceError   a model name or path that leads nowhere
        ├── HubError            the Hub refuses, or answers with what cannot be used
        │   └── HubUnreachable    it could not be reached, or not in time
        ├── FileFormatError     a file that is not what it claims to be
        ├── ConfigError         a config.json that is missing, absurd or contradictory
        │   └── UnknownArchitecture   an architecture without a family: refused, never guessed
        ├── HardwareError       a card or machine that is not in the table
        ├── RequestError        options that contradict each other or make no sense
        ├── EngineError         an engine or version that is not known
        ├── LaunchError         a launch command that its engine would not read
        ├── LogError            a log of which nothing can be told
        ├── StoreError          a store that cannot be used, or a row that it does not take
        ├── CalibrationError    a calibration that cannot be read, or not be made
        └── WatchError          a process or a server that cannot be watched

Every message is one sentence that says what was wrong, where, and what would be right; it
carries no full stop, so that the command line can put it behind ``weigh: error:``.
"""

from __future__ import annotations


class WeighbridgeError(Exception):
    """Base of every error that Weighbridge raises on purpose."""


class InputError(WeighbridgeError):
    """The input cannot be used as given."""


class UnitError(InputError):
    """A count or a size could not be read."""


class ModelReferenceError(InputError):
    """A model name or path leads nowhere."""


class HubError(InputError):
    """The Hugging Face Hub refuses, or answers with what cannot be used."""


class HubUnreachable(HubError):
    """The Hugging Face Hub could not be reached, or not in time."""


class FileFormatError(InputError):
    """A file is not what it claims to be (truncated, hostile, or of another kind)."""


class ConfigError(InputError):
    """A config.json is missing a key, or holds a value that no model can have."""


class UnknownArchitecture(ConfigError):
    """No family reads this architecture; its memory would be a guess, so it is refused."""


class HardwareError(InputError):
    """A card or a machine is not in the table, or its description cannot be read."""


class RequestError(InputError):
    """Options contradict each other or lie outside what is possible."""


class EngineError(InputError):
    """An engine, or a version of it, is not known."""


class LaunchError(InputError):
    """A launch command that its engine would not read, or that names no model."""


class LogError(InputError):
    """A log of which nothing can be told, or that cannot be read."""


class StoreError(InputError):
    """A store of measurements that cannot be used, or a row that it does not take."""


class CalibrationError(InputError):
    """A calibration that cannot be read, or that the rows do not allow."""


class WatchError(InputError):
    """A process or a server that cannot be watched."""
