with to_measure as (
    {{ evaluations_to_measure() }}
),

runs as (
    select r.evaluation, r.benchmark, r.method, r.query_id
    from {{ ref('stg_results') }} as r
    inner join to_measure using (evaluation, evaluated_at)
    union
    select l.evaluation, l.benchmark, l.method, l.query_id
    from {{ source('imagerag', 'query_latencies') }} as l
    inner join to_measure using (evaluation)
),

-- What a perfect ranking would gain. Linear gains of every grade above 0, as in trec_eval: grade / log2(rank + 1).
ideal as (
    select
        benchmark,
        query_id,
        count(*) filter (where relevant)::integer as n_relevant,
        sum(grade * ln(2) / ln(ideal_rank + 1)) filter (where ideal_rank <= 10) as gain_at_10,
        min(judged_as) as judged_as
    from (
        select *, row_number() over (partition by benchmark, query_id order by grade desc)::float8 as ideal_rank
        from {{ ref('stg_grades') }}
        where grade > 0
    ) as ordered
    group by benchmark, query_id
    having bool_or(relevant)
),

-- Every method of the evaluation on every judged query, so that a query that retrieved nothing scores 0. A query that
-- came to the benchmark later was not asked, and scores nothing.
asked as (
    select e.*, q.benchmark, m.method, q.query_id, i.n_relevant, i.gain_at_10 as ideal_gain_at_10, i.judged_as
    from to_measure as e
    inner join (select distinct evaluation, benchmark, query_id from runs) as q using (evaluation)
    inner join (select distinct evaluation, method from runs) as m using (evaluation)
    inner join ideal as i using (benchmark, query_id)
),

-- The relevant results; how many were relevant up to each of them.
hits as (
    select
        r.evaluation,
        r.benchmark,
        r.method,
        r.query_id,
        r.rank,
        row_number() over (
            partition by r.evaluation, r.benchmark, r.method, r.query_id order by r.rank
        )::float8 as so_far
    from {{ ref('stg_results') }} as r
    inner join to_measure using (evaluation, evaluated_at)
    inner join {{ ref('stg_judgements') }} as j using (benchmark, query_id, group_id)
    where r.rank <= 10
),

found as (
    select
        evaluation,
        benchmark,
        method,
        query_id,
        count(*) filter (where rank <= 5) as in_5,
        count(*) as in_10,
        sum(so_far / rank) as precisions,
        min(rank) as first_rank
    from hits
    group by evaluation, benchmark, method, query_id
),

-- What the ranking gains, and how much of it anyone has judged.
gained as (
    select
        r.evaluation,
        r.benchmark,
        r.method,
        r.query_id,
        sum(g.grade * ln(2) / ln(r.rank::float8 + 1)) filter (where g.grade > 0) as gain_at_10,
        count(g.group_id)::float8 / count(*) as judged_at_10
    from {{ ref('stg_results') }} as r
    inner join to_measure using (evaluation, evaluated_at)
    left join {{ ref('stg_grades') }} as g using (benchmark, query_id, group_id)
    where r.rank <= 10
    group by r.evaluation, r.benchmark, r.method, r.query_id
)

select
    a.evaluation,
    a.generation,
    a.evaluated_at,
    a.benchmark,
    a.method,
    a.query_id,
    q.kind,
    q.language,
    a.n_relevant,
    coalesce(f.in_5, 0)::float8 / 5 as precision_at_5,
    least(a.n_relevant, 5)::float8 / 5 as precision_at_5_ceiling,
    coalesce(f.in_10, 0)::float8 / a.n_relevant as recall_at_10,
    coalesce(g.gain_at_10 / a.ideal_gain_at_10, 0)::float8 as ndcg_at_10,
    coalesce(1.0 / f.first_rank, 0)::float8 as reciprocal_rank,
    coalesce(f.first_rank = 1, false)::integer as hit_at_1,
    g.judged_at_10,
    l.milliseconds as latency_ms,
    coalesce(f.precisions / a.n_relevant, 0)::float8 as average_precision,
    a.judged_as
from asked as a
inner join {{ source('imagerag', 'benchmark_queries') }} as q using (benchmark, query_id)
left join found as f using (evaluation, benchmark, method, query_id)
left join gained as g using (evaluation, benchmark, method, query_id)
left join {{ source('imagerag', 'query_latencies') }} as l using (evaluation, benchmark, method, query_id)
