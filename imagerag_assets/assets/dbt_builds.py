"""What dbt's builds leave in its target folder: dagster-dbt makes a folder for each and deletes none."""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT_DAYS = 7
"""How long the compiled SQL and the log of a build that failed can be looked at."""
_BUILD = re.compile(r"(\w+-[0-9a-f]{7}-)?[0-9a-f]{7}")


@contextmanager
def tidied(target: Path) -> Iterator[None]:
    """Delete the folder of a build that has passed, and whatever it came to those that are older than KEPT_DAYS.

    The UI reads none of them: events, lineage and logs of a run are in the instance.
    """
    try:
        yield
        shutil.rmtree(target, ignore_errors=True)
    finally:
        oldest = time.time() - KEPT_DAYS * 86_400
        for folder in target.parent.iterdir():
            if _BUILD.fullmatch(folder.name) and folder.is_dir() and folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
