select
    q.benchmark,
    q.query_id,
    q.corpus_id,
    q.score as grade
from {{ source('imagerag', 'qrels') }} as q
left join {{ source('imagerag', 'corpus_groups') }} as g
    on g.collection = q.benchmark and g.uri = q.corpus_id
where g.uri is null
