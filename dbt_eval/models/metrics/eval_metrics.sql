-- Rows from before there were slices by language are over all languages. Margins from before they were Student's are
-- not kept: they were too narrow for few queries, and 0 where all were equal.
{{ config(post_hook=[
    "update {{ this }} set language = 'all' where language is null",
    "update {{ this }} set precision_at_5_margin = null, recall_at_10_margin = null, ndcg_at_10_margin = null
     where metrics_version is null and num_nonnulls(precision_at_5_margin, recall_at_10_margin, ndcg_at_10_margin) > 0"
]) }}

with measured as (
    select m.*
    from {{ ref('query_metrics') }} as m
    inner join ({{ evaluations_to_measure() }}) as e using (evaluation, evaluated_at)
),

made as (
    select evaluation, run_id, package_version, search_version, metrics_version, benchmarks
    from {{ source('imagerag', 'evaluations') }}
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
    {{ margin_of_mean('precision_at_5') }} as precision_at_5_margin,
    {{ margin_of_mean('recall_at_10') }} as recall_at_10_margin,
    {{ margin_of_mean('ndcg_at_10') }} as ndcg_at_10_margin,
    percentile_cont(0.5) within group (order by latency_ms) as latency_p50_ms,
    percentile_cont(0.95) within group (order by latency_ms) as latency_p95_ms,
    case when grouping(language) = 1 then 'all' else language end as language,
    avg(average_precision) as map_at_10,
    run_id,
    package_version,
    search_version,
    metrics_version,
    case
        when benchmarks is null then null
        when grouping(benchmark) = 1 then md5(benchmarks::text)
        else benchmarks ->> benchmark
    end as benchmark_version
from measured
inner join made using (evaluation)
group by
    evaluation, generation, evaluated_at, method, run_id, package_version, search_version, metrics_version, benchmarks,
    cube (benchmark, kind, language)
