-- The forms of search.sql's parts where few images pass the filters: every one of them is compared.

-- corpus
select {documents}::float8 as documents, w.mean_terms from whole w

-- text_leg
text_scores as materialized (
    select hit.image_id, {okapi} as score
    from query_terms q
    join {postings} hit using (term)
    cross join corpus c
    -- Said of hit, too: the index on (term, image_id) then walks both lists side by side.
    where hit.term = any(%(terms)s::text[]) and hit.image_id = any(array(select image_id from filtered))
    group by hit.image_id
),
text_hits as (select image_id from text_scores order by score desc, image_id limit {candidates})

-- clip_leg
clip_hits as (
    select e.image_id from {tiles} e
    where %(clip_vector)s::vector is not null and e.image_id = any(array(select image_id from filtered))
    group by e.image_id order by min(e.embedding <=> %(clip_vector)s::vector), e.image_id limit {candidates}
)

-- description_leg
description_hits as (
    select e.image_id from {descriptions} e
    where %(text_vector)s::vector is not null and e.image_id = any(array(select image_id from filtered))
    order by e.embedding <=> %(text_vector)s::vector, e.image_id limit {candidates}
)

-- sampled
sampled as (select image_id from filtered order by sample, image_id limit {background})

-- pool_text
left join text_scores t using (image_id)

-- best_text
(select max(score) from text_scores)

-- text_mean
select (sum(exp(greatest(%(text_scale)s * (t.score - b.text), -700)))
        + (n.documents - count(*)) * exp(greatest(%(text_scale)s * -b.text, -700))) / n.documents as text
from text_scores t cross join best_scores b cross join corpus n
group by n.documents, b.text
