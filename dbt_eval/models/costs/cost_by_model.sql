-- A view: calls come with every run, and dbt runs only when there is an evaluation to measure.
{{ config(materialized='view') }}

select
    stage,
    preset,
    model,
    collection,
    count(*)::integer as calls,
    count(*) filter (where outcome in ('ok', 'repaired'))::integer as answers,
    count(distinct item) filter (where outcome in ('ok', 'repaired'))::integer as items,
    coalesce(sum(tokens_in), 0)::bigint as tokens_in,
    coalesce(sum(tokens_out), 0)::bigint as tokens_out,
    coalesce(sum(tokens_cached), 0)::bigint as tokens_cached,
    coalesce(sum(cost_usd), 0)::double precision as cost_usd,
    count(*) filter (where cost_usd is null)::integer as calls_of_unknown_cost,
    sum(cost_usd)::double precision
    / nullif(count(distinct item) filter (where outcome in ('ok', 'repaired')), 0) as cost_usd_per_item,
    percentile_cont(0.5) within group (order by latency_ms) as latency_p50_ms,
    percentile_cont(0.95) within group (order by latency_ms) as latency_p95_ms
from {{ source('imagerag', 'model_calls') }}
group by stage, preset, model, collection
