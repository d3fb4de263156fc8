-- ingest/flows_stage: starts and ends, always staged
copy pg_temp.stage_flows (kind, flowinstanceid, userid, appname, appversion, flowname, hostid, starttime, endtime, status, parentflowinstanceid, parentflowname, misc, rerunofflowinstanceid, flowinput, flowoutput)
from stdin (format binary)
