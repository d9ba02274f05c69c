"""The tree of errors. A message says what happened, where, and what to do; it never needs a traceback."""

from __future__ import annotations


class ImageragError(Exception):
    """Something a person can mend. Commands and runs print the message alone."""


class SettingsError(ImageragError):
    """imagerag.yaml or the environment asks for something that does not exist or makes no sense."""


class SourceError(ImageragError):
    """A collection's source cannot be listed or read as a whole."""


class DecoderError(ImageragError):
    """The processes that decode images cannot be started."""


class DatabaseError(ImageragError):
    """The database is refused, lacks pgvector, or holds a schema from a newer version."""


class TimeLimitError(ImageragError):
    """Work for someone who waits took longer than it may."""


class ModelError(ImageragError):
    """A model or an OCR engine cannot be loaded."""


class BenchmarkError(ImageragError):
    """A benchmark's files are missing, malformed or name images that do not exist."""


class StageError(ImageragError):
    """Every item of a batch failed the same way, so the fault is not the items'."""


class BudgetExhaustedError(ImageragError):
    """The next call of a paid model may cost more than the budget has left. The stage ends; the rest stays pending."""


class QueryError(ImageragError):
    """A search asks for something that makes no sense: nothing at all, a filter of unknown form, a page too far."""


class UnknownImageError(QueryError):
    """No image goes by that id, or it cannot be used for what is asked."""


class AmbiguousImageError(QueryError):
    """Several images go by that id."""


class NoLiveIndexError(ImageragError):
    """Search was asked before the first generation went live."""


class GenerationError(ImageragError):
    """A person asks for a generation of the index that does not exist, is not whole, or is gone."""


class EvaluationError(ImageragError):
    """A person asks for an evaluation that does not exist or was not measured, or for two that do not compare."""


class DecisionError(ImageragError):
    """A person's word about duplicates names no image, or contradicts what was said before."""


class ItemError(ImageragError):
    """One image cannot be used. The item is recorded with `reason` and the run goes on."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ServiceError(ItemError):
    """A service gave no usable answer for one image after several tries. When it gives none for any, it is at fault."""
