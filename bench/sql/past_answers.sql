-- What those claims left behind: an answer kept by its key, an event and an entry in the trail for each. A real
-- past has several events a claim, but events and trail only ever grow at their end.
SET session_replication_role = replica;

-- Keys in order, but spread over all that a random key can be: loading is quick, and a new key lands anywhere.
INSERT INTO idempotency (program_id, caller_id, key, fingerprint, status, body)
SELECT :'program', :'worker',
       lpad(to_hex(i * 4294967295 / :claims), 8, '0')
       || regexp_replace(substr(md5(i::text), 1, 24), '^(....)(....)(....)(.*)$', '-\1-\2-\3-\4'),
       sha256(int4send(i)), 201, convert_to(repeat('x', :answer_bytes), 'UTF8')
  FROM generate_series(1, :claims) i;

INSERT INTO events (program_id, type, subject_id, data)
SELECT :'program', 'claim.held', id, jsonb_build_object(
         'claim_id', id, 'bundle_id', id, 'opening_id', id, 'organization_id', :'provider', 'units', 1,
         'state', 'held', 'hold_until', '2026-11-23T12:00:00+00:00')
  FROM (SELECT md5(i::text)::uuid AS id FROM generate_series(1, :claims) i) c;

INSERT INTO audit (program_id, actor, action, subject_id, detail)
SELECT :'program', :'worker', 'claim.held', md5(i::text)::uuid, '{}' FROM generate_series(1, :claims) i;
