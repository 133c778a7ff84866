"""Every error a person can meet, in three parts: what was tried, what happened, what to do.

    CharRNNError
    ├── SettingsError      a setting is unknown or out of its range
    ├── CorpusError        a text that cannot be read, or is too small to train on
    ├── CheckpointError    a model folder that is missing, damaged or of another kind
    ├── TrainingError      a training that cannot start or go on
    └── RunError           a run folder that is busy, gone, full or another visitor's
"""


class CharRNNError(Exception):
    """Base of all errors that charrnn raises on purpose; `str(error)` is fit to show to anyone."""

    def __init__(self, tried: str, happened: str, todo: str):
        self.tried, self.happened, self.todo = tried, happened, todo
        super().__init__(f"{tried}: {happened}. {todo}.")

    def __reduce__(self):  # so that the three parts survive pickling between processes
        return type(self), (self.tried, self.happened, self.todo)


class SettingsError(CharRNNError):
    """A setting is unknown or out of its range."""


class CorpusError(CharRNNError):
    """A text that cannot be read, or is too small to train on."""


class CheckpointError(CharRNNError):
    """A model folder that is missing, damaged or of another kind."""


class TrainingError(CharRNNError):
    """A training that cannot start or go on."""


class RunError(CharRNNError):
    """A run folder that is busy, gone, full or another visitor's."""
