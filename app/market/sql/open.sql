-- What a batch must know before it decides, in one round trip. A row with `nr` is a request: the answer that its key
-- already has, and its participant, named by id or by code. A row without is an opening that a request names or has
-- found, as lock.sql (put in for the braces) locks and reads it.
-- LATERAL with a LIMIT, so that each look-up is one probe of a primary key: a plan made while the tables were still
-- empty would otherwise read every answer of a caller, batch after batch, until the first ANALYZE.
WITH opening AS MATERIALIZED (
{lock}
)
SELECT opening.*,
       NULL AS nr, NULL AS fingerprint, NULL AS status, NULL AS body, NULL AS participant_id, NULL AS participant_code
  FROM opening
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       r.nr, i.fingerprint, i.status, i.body, p.id, p.code
  FROM unnest($3::uuid[], $4::text[], $5::uuid[], $6::text[])
       WITH ORDINALITY AS r (caller_id, key, participant_id, participant_code, nr)
  LEFT JOIN LATERAL (
    SELECT fingerprint, status, body FROM idempotency
     WHERE program_id = $1 AND caller_id = r.caller_id AND key = r.key LIMIT 1) i ON true
  LEFT JOIN LATERAL (
    (SELECT id, code FROM participants WHERE program_id = $1 AND id = r.participant_id LIMIT 1)
    UNION ALL
    (SELECT id, code FROM participants WHERE program_id = $1 AND code = r.participant_code LIMIT 1)
    LIMIT 1) p ON true
