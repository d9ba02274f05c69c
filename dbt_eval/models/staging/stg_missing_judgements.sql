select
    q.benchmark,
    q.query_id,
    q.corpus_id,
    q.score as grade
from {{ source('imagerag', 'qrels') }} as q
left join {{ source('imagerag', 'corpus_groups') }} as g
    on g.collection = q.benchmark and g.uri = q.corpus_id
where
    g.uri is null
    -- A collection of which nothing is ingested yet lacks no image in particular.
    and exists (
        select from {{ source('imagerag', 'corpus_groups') }} as c where c.collection = q.benchmark
    )
