-- query/reruns: the direct reruns of an instance, the newest first
select
  f.flowinstanceid, f.shown_user, f.shown_app, f.shown_version, f.shown_flow, f.shown_host, f.shown_status, f.starttime, f.endtime,
  f.shown_time, f.shown_original, f.reruncount, f.shown_parent, f.shown_parent_flow, f.has_input
from flowtrail.instances f
where f.rerunofflowinstanceid = $1
  and f.rerunofflowinstanceid <> ''
order by f.started desc, f.flowinstanceid desc
limit 1000
