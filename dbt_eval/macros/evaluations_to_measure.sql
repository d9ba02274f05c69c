{# The evaluations that {{ this }} has not measured yet. The time is compared too: an emptied database counts from 1 again. #}
{% macro evaluations_to_measure() %}
    select e.evaluation, e.generation, e.created_at as evaluated_at
    from {{ source('imagerag', 'evaluations') }} as e
    {% if is_incremental() %}
    where not exists (
        select 1 from {{ this }} as measured
        where measured.evaluation = e.evaluation and measured.evaluated_at = e.created_at
    )
    {% endif %}
{% endmacro %}
