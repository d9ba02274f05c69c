-- Benchmarks know what they measure by: a threshold, splits, and the picture that was looked at when it was judged.

alter table benchmarks add column relevant_from integer not null default 1 check (relevant_from >= 1);
alter table benchmark_queries
    add column split text not null default '' check (split in ('', 'train', 'validation', 'test'));
alter table qrels add column content text;
comment on column benchmarks.relevant_from is 'the least grade that Precision, Recall, MRR and the like call relevant';
comment on column benchmark_queries.split is 'empty where the benchmark has no splits';
comment on column qrels.content is 'sha256 of the image when it was judged, where the benchmark remembers it';

-- Why a benchmark is refused as a whole. It then has no queries.
create table benchmark_problems (
    benchmark    text not null references benchmarks on delete cascade,
    position     integer not null,
    message      text not null,
    primary key (benchmark, position)
);

-- What a judgement is worth today. One that remembers its picture follows it to another path; without a group it counts
-- nowhere. Unknown is a path that the collection never had.
create view judgements as
    select j.benchmark, j.query_id, j.corpus_id, j.score,
           coalesce(same.uri, here.uri) as uri,
           case when j.content is null or here.content = j.content then here.group_id else same.group_id end as group_id,
           case
               when here.uri is not null and (j.content is null or here.content = j.content) then 'current'
               when same.uri is not null then 'moved'
               when here.uri is not null then 'changed'
               when broken.uri is not null then 'quarantined'
               when gone.uri is not null or j.content is not null then 'vanished'
               else 'unknown'
           end as state
    from qrels j
    left join corpus_groups here on here.collection = j.benchmark and here.uri = j.corpus_id
    left join lateral (
        select c.uri, c.group_id from corpus_groups c
        where c.collection = j.benchmark and c.content = j.content order by c.uri <> j.corpus_id, c.uri limit 1
    ) same on j.content is not null
    left join quarantine broken on broken.collection = j.benchmark and broken.uri = j.corpus_id
    left join raw_images gone
        on gone.collection = j.benchmark and gone.uri = j.corpus_id and gone.removed_at is not null;
