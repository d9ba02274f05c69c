-- A search by example leaves the example itself out, so a judgement of it is of an image that cannot be found.

alter table benchmark_queries add column example text;
comment on column benchmark_queries.example is 'sha256 of the example picture, where there is one';

-- Such a judgement is an 'example', and without a group. Not where the group has another image in the collection: search
-- finds that one, and with it the group.
create or replace view judgements as
    select r.benchmark, r.query_id, r.corpus_id, r.score, r.uri,
           case when r.unreachable then null else r.group_id end as group_id,
           case when r.unreachable then 'example' else r.state end as state
    from (
        select j.benchmark, j.query_id, j.corpus_id, j.score,
               coalesce(same.uri, here.uri) as uri, now.group_id,
               case
                   when here.uri is not null and (j.content is null or here.content = j.content) then 'current'
                   when same.uri is not null then 'moved'
                   when here.uri is not null then 'changed'
                   when broken.uri is not null then 'quarantined'
                   when gone.uri is not null or j.content is not null then 'vanished'
                   else 'unknown'
               end as state,
               now.content is not null and now.content = q.example and not exists (
                   select from corpus_groups c
                   where c.collection = j.benchmark and c.group_id = now.group_id and c.content <> q.example
               ) as unreachable
        from qrels j
        join benchmark_queries q using (benchmark, query_id)
        left join corpus_groups here on here.collection = j.benchmark and here.uri = j.corpus_id
        left join lateral (
            select c.uri, c.content, c.group_id from corpus_groups c
            where c.collection = j.benchmark and c.content = j.content order by c.uri <> j.corpus_id, c.uri limit 1
        ) same on j.content is not null
        cross join lateral (
            select case when j.content is null or here.content = j.content then here.content else same.content end,
                   case when j.content is null or here.content = j.content then here.group_id else same.group_id end
        ) now (content, group_id)
        left join quarantine broken on broken.collection = j.benchmark and broken.uri = j.corpus_id
        left join raw_images gone
            on gone.collection = j.benchmark and gone.uri = j.corpus_id and gone.removed_at is not null
    ) r;
