"""What a child process runs that kills itself at one step of the Batch API."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagerag_assets.models.describers.batches import BatchService
from imagerag_assets.project import open_project
from imagerag_assets.stages import batch_records, vlm_descriptions
from imagerag_assets.stages.common import RunOptions

STEPS: dict[str, tuple[Any, str, int, bool]] = {
    "after the file went up": (batch_records, "is_uploaded", 1, False),
    "before the batch is asked for": (BatchService, "create", 1, False),
    "after the batch was asked for": (batch_records, "is_out", 1, False),
    "in the middle of the results": (batch_records, "let_go", 3, True),
    "before the batch is closed": (batch_records, "end", 1, False),
}
"""Step → (where, the function, at which of its calls, after it instead of before)."""


def _dying(real: Callable[..., Any], call: int, after: bool) -> Callable[..., Any]:
    calls = 0

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        result = real(*arguments, **named) if after or calls < call else None
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return dying


def main(settings: str, step: str, key: str) -> None:
    os.environ["OPENAI_API_KEY"] = key
    where, name, call, after = STEPS[step]
    setattr(where, name, _dying(getattr(where, name), call, after))
    vlm_descriptions.run(open_project(Path(settings)), RunOptions())
