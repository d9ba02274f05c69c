{# NaN is above every number in Postgres, so it is found here too. The margin is rounding: a mean of ones can pass 1. #}
{% test between_zero_and_one(model, columns) %}
select *
from {{ model }}
where greatest({{ columns | join(", ") }}) > 1 + 1e-9 or least({{ columns | join(", ") }}) < 0
{% endtest %}
