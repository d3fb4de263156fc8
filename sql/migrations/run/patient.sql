-- patient: waiting for transactions that began before an index holds nobody up, so it may take its time
set lock_timeout = 0;
