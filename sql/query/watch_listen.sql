-- query/watch_listen: hints which instances changed, from every server of this database
listen flowtrail_changes
