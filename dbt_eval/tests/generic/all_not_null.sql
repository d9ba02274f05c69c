{# One query for a whole row's columns: a test of its own for each would make the run several times as long. #}
{% test all_not_null(model, columns) %}
select *
from {{ model }}
where num_nulls({{ columns | join(", ") }}) > 0
{% endtest %}
