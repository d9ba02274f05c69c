with to_measure as (
    {{ evaluations_to_measure() }}
),

best_of_group as (
    select distinct on (r.evaluation, r.benchmark, r.method, r.query_id, r.group_id)
        r.evaluation,
        e.evaluated_at,
        r.benchmark,
        r.method,
        r.query_id,
        r.rank as retrieved_rank,
        r.group_id,
        r.corpus_id
    from {{ source('imagerag', 'retrieval_runs') }} as r
    inner join to_measure as e on e.evaluation = r.evaluation
    order by r.evaluation, r.benchmark, r.method, r.query_id, r.group_id, r.rank
),

reranked as (
    select
        *,
        row_number() over (
            partition by evaluation, benchmark, method, query_id order by retrieved_rank
        )::integer as rank
    from best_of_group
)

select evaluation, evaluated_at, benchmark, method, query_id, rank, retrieved_rank, group_id, corpus_id
from reranked
where rank <= 10
