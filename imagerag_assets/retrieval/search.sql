-- One search over the live generation's tables. What search of few images and of many do differently is in
-- search_few.sql and search_many.sql. A leg without a query vector or terms is empty. exp() is kept from underflow, which
-- is an error.
with filtered as {materialized} (
    select i.image_id, i.terms, i.sample from {images} i
    where {inside}
      and {excluded}
      and {where}
),
whole as (
    select coalesce(sum(i.documents), 0)::float8 as documents,
           greatest(coalesce(sum(i.terms) / sum(i.documents), 0), 1)::float8 as mean_terms
    from {collections} i where {inside}
),
corpus as ({corpus}),
-- Inverse document frequency as in Lucene, never negative, within the searched collections. Terms that no document has
-- still count in `best`: a query of which half is unknown cannot be fully answered.
query_terms as materialized (
    select q.term, i.documents, ln(1 + (n.documents - i.documents + 0.5) / (i.documents + 0.5)) as idf
    from unnest(%(terms)s::text[]) as q (term)
    cross join whole n
    cross join lateral (
        select coalesce(sum(i.documents), 0)::float8 as documents from {terms} i where i.term = q.term and {inside}) i
),
best as (select coalesce(sum(idf), 0) * (%(k1)s + 1) as score from query_terms),
{clip_leg},
{description_leg},
{text_leg},
{sampled},
pool as (
    select image_id, bool_or(candidate) as candidate
    from (
        select image_id, true as candidate from clip_hits
        union all select image_id, true from description_hits
        union all select image_id, true from text_hits
        union all select image_id, false from sampled) u
    group by image_id
),
-- Every leg's exact score for everything in the pool, so that no leg is silent about another's candidate.
scored as (
    select p.image_id, p.candidate, i.group_id, i.collection, i.uris[1] as uri,
           tile.score as clip, tile.tile_no,
           1 - (d.embedding <=> %(text_vector)s::vector) as description,
           t.score as text, i.trust
    from pool p
    join {images} i using (image_id)
    left join {descriptions} d using (image_id)
    left join lateral (
        select (1 - (e.embedding <=> %(clip_vector)s::vector))
               * case when e.tile_no = 0 then 1 else %(tile_weight)s::float8 end as score, e.tile_no
        from {tiles} e where e.image_id = p.image_id and %(clip_vector)s::vector is not null
        order by score desc, e.tile_no limit 1) tile on true
    {pool_text}
),
-- What the searched collections measured of their legs, each weighed by its size.
calibration as (
    select coalesce(sum(k.images * k.clip_scale) / sum(k.images), %(default_clip_scale)s) as clip_scale,
           coalesce(sum(k.images * k.clip_knows) / sum(k.images) * %(shown_by_others)s, %(default_clip_knows)s)
               as clip_knows,
           coalesce(sum(k.images * k.description_scale) / sum(k.images), %(default_description_scale)s)
               * %(paraphrase)s as description_scale
    from leg_calibrations k
    where k.generation = %(generation)s
      and (%(collections)s::text[] is null or k.collection = any(%(collections)s::text[]))
),
-- The mean of exp(scale * (score - best)) over all filtered images: the candidates' own, and for the rest the sample's.
best_scores as (
    select max(clip) as clip, max(description) as description, {best_text} as text from scored
),
-- greatest() passes over null, and what has no score must not get one.
weights as (
    select s.*, c.clip_knows,
           case when s.clip is not null then exp(greatest(c.clip_scale * (s.clip - b.clip), -700)) end as clip_weight,
           case when s.description is not null
                then exp(greatest(c.description_scale * (s.description - b.description), -700)) end
               as description_weight
    from scored s cross join best_scores b cross join calibration c
),
vector_means as (
    select (sum(w.clip_weight) filter (where w.candidate)
            + (n.documents - count(*) filter (where w.candidate))
              * coalesce(avg(w.clip_weight) filter (where not w.candidate), 0)) / n.documents as clip,
           (sum(w.description_weight) filter (where w.candidate)
            + (n.documents - count(*) filter (where w.candidate))
              * coalesce(avg(w.description_weight) filter (where not w.candidate), 0)) / n.documents as description
    from weights w
    cross join corpus n
    group by n.documents
),
text_mean as ({text_mean}),
weighed as (
    select s.*,
           %(description_knows)s::float8 * s.trust as description_knows, %(text_knows)s::float8 as text_knows,
           s.clip_weight / v.clip as clip_ratio, s.description_weight / v.description as description_ratio,
           exp(greatest(%(text_scale)s * (coalesce(s.text, 0) - b.text), -700)) / t.text as text_ratio,
           coalesce(s.text, 0) / nullif(m.score, 0) as text_share
    from weights s
    cross join best_scores b
    cross join vector_means v
    left join text_mean t on true
    cross join best m
    where s.candidate
),
-- Duplicates show once: of every group the image that its leg likes best.
ranked as (
    select f.*,
           case when clip is not null then rank() over (order by clip desc nulls last) end as clip_rank,
           case when description is not null then rank() over (order by least(description, description * trust) desc nulls last) end
               as description_rank,
           case when text is not null then rank() over (order by text desc nulls last) end as text_rank
    from (
        select distinct on (group_id) * from (select *, {score} as folding, count(*) over () as ranked from weighed) x
        order by group_id, folding desc nulls last, collection, uri) f
),
final as (
    select * from (select r.*, {final_score} as score from ranked r) r
    where score is not null
    order by score desc, collection, uri
    limit %(limit)s offset %(offset)s
)
select f.score, i.collection, i.content, i.uris[:%(most_files)s] as uris, i.group_id, i.width, i.height,
       left(i.description, %(longest)s) as description, i.category, i.tags, left(i.ocr, %(longest)s) as ocr, i.confidence,
       box.x0, box.y0, box.x1, box.y1,
       f.clip, f.clip_rank, f.description as description_score, f.description_rank, f.text as text_score, f.text_rank,
       f.text_share, f.clip_ratio, f.description_ratio, f.text_ratio,
       f.ranked, {relevance} as relevance,
       array(select o.uris[1] from {images} o where o.group_id = i.group_id and o.image_id <> i.image_id
             order by o.collection, o.uris[1] limit %(most_files)s) as duplicates
from final f
join {images} i using (image_id)
left join leg_calibrations k on k.generation = %(generation)s and k.collection = i.collection
left join {tiles} box on box.image_id = f.image_id and box.tile_no = f.tile_no
order by f.score desc, i.collection, i.uris[1]
