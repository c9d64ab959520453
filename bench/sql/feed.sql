-- Changes of one opening, one transaction each, numbered at once and told to all processes as the relay tells them:
-- as fast as the database makes them, but for a pause. `adjust` writes the same. Nobody is answered who would rely on
-- it, so no commit waits for the disk, which would make it slower than what is measured. Answers how many.
SET synchronous_commit = off;
SELECT set_config('openberth.program_id', :'program', false), set_config('openberth.actor', :'worker', false),
       set_config('bench.opening', :'opening', false), set_config('bench.seconds', :'seconds', false),
       set_config('bench.pause', :'pause', false) \g /dev/null
DO $$
DECLARE
  until timestamptz := clock_timestamp() + make_interval(secs => current_setting('bench.seconds')::float8);
  made int := 0;
BEGIN
  WHILE clock_timestamp() < until LOOP
    made := made + 1;
    UPDATE openings SET units_total = units_total + CASE made % 2 WHEN 1 THEN -1 ELSE 1 END, version = version + 1
     WHERE program_id = current_setting('openberth.program_id')::uuid AND id = current_setting('bench.opening')::uuid;
    COMMIT;
    PERFORM number_events(1000, true);
    COMMIT;
    PERFORM pg_sleep(current_setting('bench.pause')::float8);
  END LOOP;
  PERFORM set_config('bench.made', made::text, false);
END $$;
SELECT current_setting('bench.made');
