-- list: the apps of one user, or of all when the user is null
select userid, appname, appversion, persistenceenabled
from public.appstate
where $1::text is null or userid = $1
order by userid, appname
