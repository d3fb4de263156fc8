-- ingest/flows_copy: the optimistic way for instances that begin in this batch, straight into the table
copy public.flowstate (flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, endtime, status, parentflowinstanceid, parentflowname, misc, rerunofflowinstanceid, flowinput, flowoutput, executiontime, reruncount)
from stdin (format binary)
