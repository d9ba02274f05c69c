-- A table and not a view: a view would forbid later migrations to change the tables that it reads.
select
    j.benchmark,
    j.query_id,
    j.group_id,
    max(j.score) as grade,
    max(j.score) >= b.relevant_from as relevant
from {{ source('imagerag', 'judgements') }} as j
inner join {{ source('imagerag', 'benchmark_queries') }} as q using (benchmark, query_id)
inner join {{ source('imagerag', 'benchmarks') }} as b using (benchmark)
-- What is tuned on is not reported.
where j.group_id is not null and q.split in ('', 'test')
group by j.benchmark, j.query_id, j.group_id, b.relevant_from
