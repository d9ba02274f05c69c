-- A view, as cost_by_model is. The day is the budget's: in UTC.
{{ config(materialized='view') }}

select
    (at at time zone 'UTC')::date as day,
    stage,
    model,
    collection,
    count(*)::integer as calls,
    count(*) filter (where outcome not in ('ok', 'repaired'))::integer as calls_without_an_answer,
    coalesce(sum(tokens_in), 0)::bigint as tokens_in,
    coalesce(sum(tokens_out), 0)::bigint as tokens_out,
    sum(cost_usd)::double precision as cost_usd,
    count(*) filter (where cost_usd is null)::integer as calls_of_unknown_cost
from {{ source('imagerag', 'model_calls') }}
group by 1, 2, 3, 4
