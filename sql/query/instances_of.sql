-- query/instances_of: those of some instances that pass the filter, $1 to $12
select
  f.flowinstanceid, f.shown_user, f.shown_app, f.shown_version, f.shown_flow, f.shown_host, f.shown_status, f.starttime, f.endtime,
  f.shown_time, f.shown_original, f.reruncount, f.shown_parent, f.shown_parent_flow, f.has_input
from flowtrail.instances f
where f.flowinstanceid = any ($13::text[])
  and ($1::text is null or f.userid = $1)
  and ($2::text is null or f.appname = $2)
  and ($3::text is null or f.appversion = $3)
  and ($4::text is null or f.flowname = $4)
  and ($5::text is null or f.hostid = $5)
  and ($6::text[] is null or f.status = any ($6))
  and ($7::timestamp is null or f.started >= $7)
  and ($8::timestamp is null or (f.started < $8 and f.started > '-infinity'))
  and ($9::bigint is null or case when f.took_us >= $9 then true end)
  and ($10::bigint is null or case when f.took_us <= $10 then true end)
  and ($11::text is null or f.rerunofflowinstanceid = $11)
  and ($12::text is null or f.flowinstanceid = $12 or f.rerunofflowinstanceid = $12)
order by f.started desc, f.flowinstanceid desc
