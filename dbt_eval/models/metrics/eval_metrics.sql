-- Rows from before there were slices by language are over all languages.
{{ config(post_hook="update {{ this }} set language = 'all' where language is null") }}

with measured as (
    select m.*
    from {{ ref('query_metrics') }} as m
    inner join ({{ evaluations_to_measure() }}) as e using (evaluation, evaluated_at)
)

select
    evaluation,
    generation,
    evaluated_at,
    case when grouping(benchmark) = 1 then 'all' else benchmark end as benchmark,
    method,
    case when grouping(kind) = 1 then 'all' else kind end as kind,
    count(*)::integer as queries,
    avg(precision_at_5) as precision_at_5,
    avg(precision_at_5_ceiling) as precision_at_5_ceiling,
    avg(precision_at_5) / avg(precision_at_5_ceiling) as precision_at_5_of_ceiling,
    avg(recall_at_10) as recall_at_10,
    avg(ndcg_at_10) as ndcg_at_10,
    avg(reciprocal_rank) as mrr,
    avg(hit_at_1)::float8 as hit_at_1,
    avg(judged_at_10) as judged_at_10,
    1.96 * stddev_samp(precision_at_5) / sqrt(count(*)) as precision_at_5_margin,
    1.96 * stddev_samp(recall_at_10) / sqrt(count(*)) as recall_at_10_margin,
    1.96 * stddev_samp(ndcg_at_10) / sqrt(count(*)) as ndcg_at_10_margin,
    percentile_cont(0.5) within group (order by latency_ms) as latency_p50_ms,
    percentile_cont(0.95) within group (order by latency_ms) as latency_p95_ms,
    case when grouping(language) = 1 then 'all' else language end as language,
    avg(average_precision) as map_at_10
from measured
group by evaluation, generation, evaluated_at, method, cube (benchmark, kind, language)
