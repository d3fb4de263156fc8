-- script_grants: what the role of the service needs when another role owns the tables
grant usage on schema public, flowtrail to :"role";
grant select, insert, update, delete on public.steps, public.flowstate, public.appstate to :"role";
grant select, insert, update, delete on all tables in schema flowtrail to :"role";
