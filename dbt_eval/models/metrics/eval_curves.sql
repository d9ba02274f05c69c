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

-- Every query at every rank, with 1 where its result there is relevant.
looked_at as (
    select
        a.*,
        k.k,
        (j.group_id is not null)::integer::float8 as hit
    from asked as a
    cross join generate_series(1, 10) as k (k)
    left join {{ ref('stg_results') }} as r
        on (r.evaluation, r.benchmark, r.method, r.query_id, r.rank) = (a.evaluation, a.benchmark, a.method, a.query_id, k.k)
    left join {{ ref('stg_judgements') }} as j
        on (j.benchmark, j.query_id, j.group_id) = (r.benchmark, r.query_id, r.group_id)
),

counted as (
    select
        *,
        sum(hit) over (partition by evaluation, benchmark, method, query_id order by k) as found
    from looked_at
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
from counted
group by evaluation, generation, evaluated_at, method, k, grouping sets ((benchmark), ())
