"""Where dbt_eval lies and how it is told of the database. Running dbt is the assets' business."""

from __future__ import annotations

from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

PROJECT_DIR = Path(__file__).resolve().parents[2] / "dbt_eval"


def dbt_environment(url: str) -> dict[str, str]:
    """Translate a database URL (TCP, or a socket's folder as host) to the variables of dbt_eval's profile."""
    parts = {key: str(value) for key, value in conninfo_to_dict(url).items() if value}
    user = parts.get("user", "postgres")
    return {
        "IMAGERAG_DBT_HOST": parts.get("host", "localhost"),
        "IMAGERAG_DBT_PORT": parts.get("port", "5432"),
        "IMAGERAG_DBT_USER": user,
        "IMAGERAG_DBT_PASSWORD": parts.get("password", ""),
        "IMAGERAG_DBT_DBNAME": parts.get("dbname", user),
        "IMAGERAG_DBT_SSLMODE": parts.get("sslmode", "prefer"),
    }
