-- query/since: the time an interval ago, UTC, and whether the interval is one that lies behind; $1 as PostgreSQL writes it
select (now() at time zone 'UTC') - $1::text::interval as at, $1::text::interval >= interval '0' as behind
