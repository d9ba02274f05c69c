select
    j.benchmark,
    j.query_id,
    j.corpus_id,
    j.score as grade,
    j.state
from {{ source('imagerag', 'judgements') }} as j
where
    j.group_id is null
    -- The picture that was asked with is not stale: it is only what a search cannot find.
    and j.state <> 'example'
    -- A collection of which nothing is ingested yet lacks no image in particular.
    and exists (
        select 1 from {{ source('imagerag', 'corpus_groups') }} as c where c.collection = j.benchmark
    )
