-- ingest/steps_stage: the staged way's first half
copy pg_temp.stage_steps (flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid)
from stdin (format binary)
