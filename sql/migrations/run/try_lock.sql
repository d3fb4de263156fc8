-- try_lock: one migration at a time; tried and not waited for, since a waiting statement would hold up `create index concurrently`
select pg_try_advisory_lock(7308906934570151795) as locked;
