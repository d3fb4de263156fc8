-- query/time: a time as PostgreSQL reads it; an offset in it is ignored
select $1::text::timestamp as at
