-- ingest/ends_merge: completes instances that wait for the end of their start, as nearly all are that began in an earlier batch; holds the batch if one of them does not
with merged as (
  insert into public.flowstate as f (
    flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, endtime, executiontime, status, flowoutput, reruncount)
  select
    flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, endtime,
    flowtrail.executiontime(starttime, endtime), status, flowoutput, null
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamp[], $8::timestamp[], $9::text[], $10::bytea[])
    as e (flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, endtime, status, flowoutput)
  order by flowinstanceid
  on conflict (flowinstanceid) do update
  set endtime = excluded.endtime, executiontime = excluded.executiontime, status = excluded.status, flowoutput = excluded.flowoutput
  where f.starttime = excluded.starttime and f.executiontime is null
  returning xmax = 0 as inserted
)
select flowtrail.hold('FT002', 'flowstate', 'no start waits for one of its ends')
from (select count(*) as completed from merged where not inserted) m
where m.completed < cardinality($1)
