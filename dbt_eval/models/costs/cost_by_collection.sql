-- A view, as cost_by_model is.
{{ config(materialized='view') }}

-- An image is called by its content and what was told of its collection: told otherwise it is the same image.
with calls as (
    select
        collection,
        case stage when 'ask' then 'question' when 'retrieval_runs' then 'search' else 'image' end as what,
        split_part(item, ':', 1) as item,
        outcome,
        cost_usd
    from {{ source('imagerag', 'model_calls') }}
),

-- What an image or a question cost is known where that of every answer about it is, of whatever model.
of_items as (
    select
        collection,
        what,
        bool_and(cost_usd is not null) filter (where outcome in ('ok', 'repaired')) as is_known,
        count(*) as calls,
        sum(cost_usd) as cost_usd
    from calls
    group by collection, what, item
),

paid as (
    select
        collection,
        what,
        sum(calls)::integer as calls,
        count(is_known)::integer as items,
        count(*) filter (where is_known)::integer as items_of_known_cost,
        (sum(cost_usd) filter (where is_known is not false) / nullif(count(*) filter (where is_known), 0))
        ::double precision as cost_usd_per_item
    from of_items
    group by collection, what
),

described as (
    select r.collection, count(distinct r.content)::integer as images
    from {{ source('imagerag', 'raw_images') }} as r
    where
        r.removed_at is null
        and exists (select 1 from {{ source('imagerag', 'vlm_descriptions') }} as d where d.content = r.content)
    group by r.collection
),

searched as (
    select benchmark as collection, count(*)::integer as searches
    from {{ source('imagerag', 'query_latencies') }}
    group by benchmark
),

collections as (
    select collection from described
    union
    select collection from searched
    union
    select collection from paid
),

-- Where no model was called, there was nothing to pay; of what was never done no cost is known.
joined as (
    select
        c.collection,
        coalesce(i.items, d.images, 0) as images,
        case when i.calls > 0 then i.items_of_known_cost else coalesce(d.images, 0) end as images_of_known_cost,
        case when i.calls > 0 then i.cost_usd_per_item when d.images > 0 then 0 end as cost_usd_per_image,
        coalesce(s.searches, 0) as searches,
        coalesce(p.calls, 0) as calls_by_searches,
        case when p.calls > 0 then p.cost_usd_per_item when s.searches > 0 then 0 end as cost_usd_per_search,
        coalesce(q.items, 0) as questions,
        coalesce(q.items_of_known_cost, 0) as questions_of_known_cost,
        q.cost_usd_per_item as cost_usd_per_question
    from collections as c
    left join described as d using (collection)
    left join searched as s using (collection)
    left join paid as i on i.collection = c.collection and i.what = 'image'
    left join paid as p on p.collection = c.collection and p.what = 'search'
    left join paid as q on q.collection = c.collection and q.what = 'question'
)

select
    collection,
    images,
    images_of_known_cost,
    1000 * cost_usd_per_image as cost_usd_per_1000_images,
    searches,
    calls_by_searches,
    cost_usd_per_search,
    questions,
    questions_of_known_cost,
    cost_usd_per_question
from joined
