{# The margin is for sums of floating-point numbers that are equal on paper. #}
{% test never_above(model, column_name, ceiling) %}
select *
from {{ model }}
where {{ column_name }} > {{ ceiling }} + 1e-9
{% endtest %}
