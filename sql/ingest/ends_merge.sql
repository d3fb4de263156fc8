-- ingest/ends_merge: completes instances that wait for the end of their start, as nearly all are that began in an earlier batch; answers with them, and with those that an end has made
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
returning f.flowinstanceid, xmax = 0 as inserted
