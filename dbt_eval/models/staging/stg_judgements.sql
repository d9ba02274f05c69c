select benchmark, query_id, group_id, grade
from {{ ref('stg_grades') }}
where relevant
