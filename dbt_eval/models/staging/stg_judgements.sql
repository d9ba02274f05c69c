-- A table and not a view: a view would forbid later migrations to change the tables that it reads.
select
    q.benchmark,
    q.query_id,
    g.group_id,
    max(q.score) as grade
from {{ source('imagerag', 'qrels') }} as q
inner join {{ source('imagerag', 'corpus_groups') }} as g
    on g.collection = q.benchmark and g.uri = q.corpus_id
group by q.benchmark, q.query_id, g.group_id
having max(q.score) > 0
