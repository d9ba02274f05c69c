-- A table and not a view: a view would forbid later migrations to change the tables that it reads.
with counted as (
    select
        j.*,
        b.relevant_from,
        q.text,
        -- Where an example picture lies may differ from run to run.
        regexp_replace(q.image, '^.*/', '') as example
    from {{ source('imagerag', 'judgements') }} as j
    inner join {{ source('imagerag', 'benchmark_queries') }} as q using (benchmark, query_id)
    inner join {{ source('imagerag', 'benchmarks') }} as b using (benchmark)
    -- What is tuned on is not reported.
    where q.split in ('', 'test')
),

alike as (
    select
        benchmark,
        query_id,
        md5(concat_ws(
            '|',
            quote_nullable(text),
            quote_nullable(example),
            relevant_from,
            count(distinct group_id),
            string_agg(concat_ws(':', quote_literal(corpus_id), score, group_id is not null), ',' order by corpus_id)
        )) as judged_as
    from counted
    group by benchmark, query_id, text, example, relevant_from
)

select
    c.benchmark,
    c.query_id,
    c.group_id,
    max(c.score) as grade,
    max(c.score) >= c.relevant_from as relevant,
    a.judged_as
from counted as c
inner join alike as a using (benchmark, query_id)
where c.group_id is not null
group by c.benchmark, c.query_id, c.group_id, c.relevant_from, a.judged_as
