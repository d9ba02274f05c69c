"""dbt's own documentation of the models, as one page in the report folder."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from dagster_dbt import DbtCliResource
from filelock import FileLock

_PAGE = "static_index.html"


def write_dbt_docs(dbt: DbtCliResource, manifest: Path, page: Path) -> Path:
    """Bring `page` up to date with the manifest. dbt is started only after the models changed, once for all projects.

    Without the catalog, which would ask each project's database for the types that the contracts name already.
    """
    target = manifest.parent
    made = target / _PAGE
    with FileLock(target / "docs.lock"):
        if not made.is_file() or made.stat().st_mtime < manifest.stat().st_mtime:
            with TemporaryDirectory(dir=target, prefix="docs-") as folder:
                # dbt does not parse again what it finds parsed, and writes no manifest where it does not compile.
                for name in (manifest.name, "partial_parse.msgpack"):
                    shutil.copy(target / name, folder)
                arguments = ["--quiet", "docs", "generate", "--static", "--empty-catalog", "--no-compile"]
                dbt.cli(arguments, target_path=Path(folder)).wait()
                (Path(folder) / _PAGE).replace(made)
    if not page.is_file() or page.stat().st_mtime < made.stat().st_mtime:
        page.parent.mkdir(parents=True, exist_ok=True)
        unfinished = page.with_suffix(".tmp")
        shutil.copyfile(made, unfinished)
        unfinished.replace(page)
    return page
