-- create_database: the service's own, apart from the one every cluster has
create database flowtrail encoding 'UTF8' template template0;
