-- query/payload: a portion of a payload of an attempt: the input or the output, from a byte on, and what tells whether it is still the same
select case when $5::integer is null then p.payload else substring(p.payload from $4::integer + 1 for $5) end as portion,
  octet_length(p.payload)::bigint as bytes
from flowtrail.numbered_attempts f
cross join lateral (select case when $3::boolean then f.flowinput else f.flowoutput end as payload) p
where f.flowinstanceid = $1
  and case when $2::bigint is null then f.newest else f.number = $2 end
