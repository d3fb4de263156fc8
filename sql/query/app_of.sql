-- query/app_of: the app that an instance belongs to
select userid, appname from public.flowstate where flowinstanceid = $1
