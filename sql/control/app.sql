-- app: what is known of one app
select userid, appname, appversion, persistenceenabled
from public.appstate
where userid = $1 and appname = $2
