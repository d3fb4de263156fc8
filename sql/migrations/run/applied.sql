-- applied: the migrations this database had
select version from flowtrail.migrations order by version;
