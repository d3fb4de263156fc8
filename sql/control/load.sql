-- load: every app that was seen or decided on, for the snapshot of the toggles
select userid, appname, appversion, persistenceenabled
from public.appstate
