-- query/attempt: one attempt of an instance, by number or the newest, without its payloads
select
  f.flowinstanceid, f.shown_user, f.shown_app, f.shown_version, f.shown_flow, f.shown_host, f.shown_status, f.starttime, f.endtime,
  f.shown_time, f.shown_original, f.reruncount, f.shown_parent, f.shown_parent_flow, f.has_input,
  f.number, f.attempts, f.next_start, f.newest,
  octet_length(f.flowinput)::bigint as input_bytes, octet_length(f.flowoutput)::bigint as output_bytes,
  f.starttime is null or exists (
    select from flowtrail.attempts a
    where a.flowinstanceid = $1 and a.attempt = f.starttime and not a.started) as start_missing
from flowtrail.numbered_attempts f
where f.flowinstanceid = $1
  and case when $2::bigint is null then f.newest else f.number = $2 end
