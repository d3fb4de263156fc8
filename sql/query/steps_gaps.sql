-- query/steps_gaps: how many steps the newest attempt has, the last ones, and which are missing between and before them
select count(*) as steps,
  (array_agg(s.number order by s.number desc))[1:3] as last,
  (array_agg(s.before + 1 order by s.number) filter (where s.number - s.before > 1))[1:1000] as gap_from,
  (array_agg(s.number - 1 order by s.number) filter (where s.number - s.before > 1))[1:1000] as gap_to
from (
  select n.number, lag(n.number, 1, -1::bigint) over (order by n.number) as before
  from flowtrail.step_versions n
  where n.flowinstanceid = $1
    and not n.past
    and n.number <= 2147483647
) s
