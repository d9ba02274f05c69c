"""The ± of dbt's means: the macro's SQL on a real database, against SciPy."""

from __future__ import annotations

import jinja2
import pytest
from scipy import stats

from imagerag_assets.database.connection import Database, one_row
from imagerag_assets_tests.evaluation.corpus import DBT_FOLDER


def margin(database: Database, sample: list[float]) -> float | None:
    """What dbt writes for these values."""
    macro = (DBT_FOLDER / "macros" / "interval.sql").read_text(encoding="utf-8")
    expression = jinja2.Template(macro + "{{ margin_of_mean('value') }}").render()
    with database.connect() as connection:
        (found,) = one_row(
            connection.execute(f"select {expression} from unnest(%s::float8[]) as v (value)".encode(), (sample,))
        )
    return None if found is None else float(found)


@pytest.mark.parametrize("size", [2, 3, 7, 31, 32, 500])
def test_the_margin_is_that_of_students_t(size: int, database: Database) -> None:
    """Not the normal's: with three queries its 95 % intervals hold the mean in 81 % of cases."""
    sample = [float(number % 3) for number in range(size)]
    expected = stats.t.ppf(0.975, size - 1) * stats.sem(sample)
    assert margin(database, sample) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("sample", [[0.2], [0.2] * 9, [0.1, 0.1, 0.1]])
def test_a_margin_that_nothing_tells_is_unknown(sample: list[float], database: Database) -> None:
    """One query says nothing of others, nor do any number of equal ones: ±0.00 would say that there is no doubt."""
    assert margin(database, sample) is None
