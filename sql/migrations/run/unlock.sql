-- unlock: the next migration may go on
select pg_advisory_unlock(7308906934570151795);
