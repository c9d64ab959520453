-- For each request of a batch: the answer its key already has, and its participant, named by id or by code.
-- LATERAL with a LIMIT, so that each is one probe of a primary key: a plan made while the tables were still empty
-- would otherwise read every answer of a caller, batch after batch, until the first ANALYZE.
SELECT r.nr, i.fingerprint, i.status, i.body, p.id AS participant_id, p.code AS participant_code
  FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[])
       WITH ORDINALITY AS r (caller_id, key, participant_id, participant_code, nr)
  LEFT JOIN LATERAL (
    SELECT fingerprint, status, body FROM idempotency
     WHERE program_id = $1 AND caller_id = r.caller_id AND key = r.key LIMIT 1) i ON true
  LEFT JOIN LATERAL (
    (SELECT id, code FROM participants WHERE program_id = $1 AND id = r.participant_id LIMIT 1)
    UNION ALL
    (SELECT id, code FROM participants WHERE program_id = $1 AND code = r.participant_code LIMIT 1)
    LIMIT 1) p ON true
 ORDER BY r.nr
