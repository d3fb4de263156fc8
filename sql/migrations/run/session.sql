-- session: how a migrating session behaves; a lock is waited for only so long, because everybody else queues behind it
set search_path = '';
set client_min_messages = warning;
set statement_timeout = 0;
set lock_timeout = '1min';
