-- ingest/steps_copy: the optimistic way, straight into the table
copy public.steps (flowinstanceid, stepid, taskname, status, starttime, endtime, stepdata, flowname, subflowid, misc, rerun, parentstepid)
from stdin (format binary)
