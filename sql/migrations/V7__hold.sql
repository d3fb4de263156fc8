-- V7 hold: what ends the transaction of a lane when its batch has to be written another way; lanes send it along with the rows, so that they need not wait for an answer in between
create function flowtrail.hold(code text, about text, reason text) returns void
language plpgsql as $$
begin
  raise exception using errcode = code, table = about, message = 'flowtrail writes a batch the staged way: ' || reason;
end
$$;
comment on function flowtrail.hold(text, text, text) is 'ends a transaction of a lane, which then writes its batch another way';

update flowtrail.meta set schema_version = 7;
