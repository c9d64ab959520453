-- How many active holds each worker has, no further than the cap. See workers.sql, which comes first.
SELECT w.id,
       (SELECT count(*) FROM (
          SELECT FROM claims c
           WHERE c.program_id = $1 AND c.claimed_by = w.id AND c.state = 'held' AND c.hold_until > clock_timestamp()
           LIMIT $3) held) AS holds
  FROM (SELECT DISTINCT id FROM unnest($2::uuid[]) AS u (id)) w
