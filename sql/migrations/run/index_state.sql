-- index_state: no row when the index is missing, false when making it was interrupted
select i.indisvalid as valid
from pg_index i
where i.indexrelid = to_regclass('public.' || quote_ident($1));
