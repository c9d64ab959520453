-- For each request of a batch: the answer its key already has, and its participant, named by id or by code.
SELECT r.nr, i.fingerprint, i.status, i.body,
       coalesce(by_id.id, by_code.id) AS participant_id, coalesce(by_id.code, by_code.code) AS participant_code
  FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[])
       WITH ORDINALITY AS r (caller_id, key, participant_id, participant_code, nr)
  LEFT JOIN idempotency i ON i.program_id = $1 AND i.caller_id = r.caller_id AND i.key = r.key
  LEFT JOIN participants by_id ON by_id.program_id = $1 AND by_id.id = r.participant_id
  LEFT JOIN participants by_code ON by_code.program_id = $1 AND by_code.code = r.participant_code
 ORDER BY r.nr
