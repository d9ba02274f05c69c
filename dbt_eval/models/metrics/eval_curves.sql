-- Of evaluations since the curves are kept: today's qrels cannot make those of an earlier one.
with to_measure as (
    select e.*
    from ({{ evaluations_to_measure() }}) as e
    where
        e.evaluated_at >= coalesce(
            {% if is_incremental() %}
                (select min(kept.evaluated_at) from {{ this }} as kept)
            {% else %}
                (select max(newest.created_at) from {{ source('imagerag', 'evaluations') }} as newest)
            {% endif %},
            '-infinity'
        )
),

asked as (
    select m.evaluation, m.generation, m.evaluated_at, m.benchmark, m.method, m.query_id, m.n_relevant
    from {{ ref('query_metrics') }} as m
    inner join to_measure using (evaluation, evaluated_at)
),

hits as (
    select r.evaluation, r.benchmark, r.method, r.query_id, r.rank
    from {{ ref('stg_results') }} as r
    inner join to_measure using (evaluation, evaluated_at)
    inner join {{ ref('stg_judgements') }} using (benchmark, query_id, group_id)
),

per_query as (
    select
        a.evaluation,
        a.generation,
        a.evaluated_at,
        a.benchmark,
        a.method,
        a.n_relevant,
        k.k,
        count(h.rank)::float8 as found
    from asked as a
    cross join generate_series(1, 10) as k (k)
    left join hits as h
        on (h.evaluation, h.benchmark, h.method, h.query_id) = (a.evaluation, a.benchmark, a.method, a.query_id)
        and h.rank <= k.k
    group by a.evaluation, a.generation, a.evaluated_at, a.benchmark, a.method, a.query_id, a.n_relevant, k.k
)

select
    evaluation,
    generation,
    evaluated_at,
    case when grouping(benchmark) = 1 then 'all' else benchmark end as benchmark,
    method,
    k,
    avg(found / k) as precision_at_k,
    avg(found / n_relevant) as recall_at_k
from per_query
group by evaluation, generation, evaluated_at, method, k, grouping sets ((benchmark), ())
