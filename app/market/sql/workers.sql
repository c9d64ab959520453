-- Make two processes that serve one worker count its holds one after the other; the locks go with the transaction.
-- In one order, so that batches can't deadlock; and in a statement before the count, whose snapshot must be younger.
SELECT pg_advisory_xact_lock(hashtextextended(id::text, 0))
  FROM (SELECT DISTINCT id FROM unnest($1::uuid[]) AS u (id) ORDER BY id OFFSET 0) sorted
