-- query/instances_at: instances at an offset; $1 to $10 are the filter
select
  f.flowinstanceid, f.shown_user, f.shown_app, f.shown_version, f.shown_flow, f.shown_host, f.shown_status, f.starttime, f.endtime,
  f.shown_time, f.shown_original, f.reruncount, f.shown_parent, f.shown_parent_flow, f.has_input
from flowtrail.instances f
where (hashtextextended($2, hashtextextended($1, 0)) is null or f.app_key = hashtextextended($2, hashtextextended($1, 0)))
  and ($3::text is null or f.version_key = hashtextextended($3, 0))
  and ($4::text is null or f.flow_key = hashtextextended($4, 0))
  and ($5::text is null or f.host_key = hashtextextended($5, 0))
  and ($6::text[] is null or 'Completed' = any ($6) or f.status <> 'Completed')
  and ($6::text[] is null or 'Completed' = any ($6) or cardinality($6) > 1 or f.status_key = hashtextextended(($6::text[])[1], 0))
  and case when ($1::text is null or f.userid = $1)
      and ($2::text is null or f.appname = $2)
      and ($3::text is null or f.appversion = $3)
      and ($4::text is null or f.flowname = $4)
      and ($5::text is null or f.hostid = $5)
      and ($6::text[] is null or f.status = any ($6)) then true end
  and ($7::timestamp is null or f.started >= $7)
  and ($8::timestamp is null or (f.started < $8 and f.started > '-infinity'))
  and ($9::bigint is null or case when f.took_us >= $9 then true end)
  and ($10::bigint is null or case when f.took_us <= $10 then true end)
order by f.started desc, f.flowinstanceid desc
limit $11
offset $12
