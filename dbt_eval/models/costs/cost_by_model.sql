-- A view: calls come with every run, and dbt runs only when there is an evaluation to measure.
{{ config(materialized='view') }}

-- What an item cost is known where that of every answer is. An item that was never answered cost what it cost.
with of_items as (
    select
        stage,
        preset,
        model,
        collection,
        bool_and(cost_usd is not null) filter (where outcome in ('ok', 'repaired')) as is_known,
        sum(cost_usd) as cost_usd
    from {{ source('imagerag', 'model_calls') }}
    group by stage, preset, model, collection, item
),

items as (
    select
        stage,
        preset,
        model,
        collection,
        count(is_known)::integer as items,
        count(*) filter (where is_known)::integer as items_of_known_cost,
        sum(cost_usd) filter (where is_known is not false) as cost_of_known
    from of_items
    group by stage, preset, model, collection
),

calls as (
    select
        stage,
        preset,
        model,
        collection,
        count(*)::integer as calls,
        count(*) filter (where outcome in ('ok', 'repaired'))::integer as answers,
        coalesce(sum(tokens_in), 0)::bigint as tokens_in,
        coalesce(sum(tokens_out), 0)::bigint as tokens_out,
        coalesce(sum(tokens_cached), 0)::bigint as tokens_cached,
        sum(cost_usd)::double precision as cost_usd,
        count(*) filter (where cost_usd is null)::integer as calls_of_unknown_cost,
        percentile_cont(0.5) within group (order by latency_ms) as latency_p50_ms,
        percentile_cont(0.95) within group (order by latency_ms) as latency_p95_ms
    from {{ source('imagerag', 'model_calls') }}
    group by stage, preset, model, collection
)

select
    c.stage,
    c.preset,
    c.model,
    c.collection,
    c.calls,
    c.answers,
    i.items,
    i.items_of_known_cost,
    c.tokens_in,
    c.tokens_out,
    c.tokens_cached,
    c.cost_usd,
    i.cost_of_known::double precision as cost_usd_of_known,
    c.calls_of_unknown_cost,
    (i.cost_of_known / nullif(i.items_of_known_cost, 0))::double precision as cost_usd_per_item,
    c.latency_p50_ms,
    c.latency_p95_ms
from calls as c
inner join items as i using (stage, preset, model, collection)
