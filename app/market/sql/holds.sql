-- How many active holds each worker has, no further than the cap. The advisory locks, taken in one order, make
-- two processes count one after the other; they go with the transaction.
SELECT w.id,
       (SELECT count(*) FROM (
          SELECT FROM claims c
           WHERE c.program_id = $1 AND c.claimed_by = w.id AND c.state = 'held' AND c.hold_until > clock_timestamp()
           LIMIT $3) held) AS holds
  FROM (SELECT id, pg_advisory_xact_lock(hashtextextended(id::text, 0))
          FROM (SELECT DISTINCT id FROM unnest($2::uuid[]) AS u (id) ORDER BY id) sorted
        OFFSET 0) w
