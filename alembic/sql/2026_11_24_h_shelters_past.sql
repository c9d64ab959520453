-- What organizations that serve survivors wrote down before there was a rule against it. The calls of their workers,
-- and all calls for whom they gave a code, become anonymous, with every kept answer that shows whom they were for; who
-- those people are is erased. The bare codes stay, which nobody reaches; the trail stays too, since it is sealed.
ALTER TABLE bundles DISABLE TRIGGER bundles_anonymous_kept
;;
DO $$
DECLARE
  bundle record;
BEGIN
  FOR bundle IN
    SELECT b.program_id, b.id FROM bundles b
      JOIN participants p ON p.program_id = b.program_id AND p.id = b.participant_id
     WHERE EXISTS (SELECT FROM organizations g WHERE g.program_id = b.program_id AND g.serves_survivors
                      AND (g.id = p.organization_id OR g.id IN (
                           SELECT c.worker_organization_id FROM claims c
                            WHERE c.program_id = b.program_id AND c.bundle_id = b.id)))
  LOOP
    UPDATE bundles SET participant_id = NULL,
           one_time_code = (SELECT concat_ws('-', left(d, 4), substr(d, 5, 4), substr(d, 9, 4))
                              FROM upper(md5(gen_random_uuid()::text)) d)
     WHERE program_id = bundle.program_id AND id = bundle.id;
    DELETE FROM idempotency
     WHERE program_id = bundle.program_id AND position(convert_to(bundle.id::text, 'UTF8') IN body) > 0;
  END LOOP;
END $$
;;
ALTER TABLE bundles ENABLE TRIGGER bundles_anonymous_kept
;;
DELETE FROM identity_marks m USING participants p, organizations g
 WHERE p.program_id = m.program_id AND p.id = m.participant_id
   AND g.program_id = p.program_id AND g.id = p.organization_id AND g.serves_survivors
;;
WITH erased AS (
  DELETE FROM identities i USING participants p, organizations g
   WHERE p.program_id = i.program_id AND p.id = i.participant_id
     AND g.program_id = p.program_id AND g.id = p.organization_id AND g.serves_survivors
  RETURNING i.program_id, i.participant_id)
INSERT INTO audit (program_id, actor, action, subject_id, detail)
SELECT program_id, current_actor(), 'identity.erased', participant_id, '{}' FROM erased
;;
-- None of them could ever be told anything under: no consent names a shelter, and whoever tells must be named.
WITH erased AS (
  DELETE FROM consents c USING organizations g
   WHERE g.program_id = c.program_id AND g.id = c.organization_id AND g.serves_survivors
     AND NOT EXISTS (SELECT FROM disclosures d WHERE d.program_id = c.program_id AND d.consent_id = c.id)
  RETURNING c.program_id, c.id, c.participant_id)
INSERT INTO audit (program_id, actor, action, subject_id, detail)
SELECT program_id, current_actor(), 'consent.erased', participant_id, jsonb_build_object('consent_id', id) FROM erased
;;
UPDATE participants p SET reference = NULL FROM organizations g
 WHERE g.program_id = p.program_id AND g.id = p.organization_id AND g.serves_survivors AND p.reference IS NOT NULL
