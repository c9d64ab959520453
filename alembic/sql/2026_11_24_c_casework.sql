-- Who a participant is, what they consented to and what was disclosed: the promises that the database keeps itself.
-- The app role has no right at all on identities, marks and demographics. It calls these functions, which work for the
-- transaction's own program alone and leave their entry in the trail in the same statement as what they did.

-- The transaction's program. Refused without one: a function of the owner's must not work for no program.
CREATE FUNCTION casework_program() RETURNS uuid LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF coalesce(current_setting('openberth.program_id', true), '') = '' THEN
    RAISE EXCEPTION 'this transaction is for no program' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN current_setting('openberth.program_id')::uuid;
END $$
;;
-- Write down who a participant is; answers the other participants of whom the same is known (`p_seek`: the marks under
-- every data key, while `p_marks` are those under the current one). In turn within a program: of two who write the
-- same person down at the same moment, the second is told.
CREATE FUNCTION write_identity(p_participant_id uuid, p_sealed bytea, p_marks bytea[], p_seek bytea[])
RETURNS TABLE (participant_id uuid, mark bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  program uuid := casework_program();
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('identities of ' || program, 0));
  INSERT INTO identities AS i (program_id, participant_id, sealed) VALUES (program, p_participant_id, p_sealed)
  ON CONFLICT ON CONSTRAINT pk_identities DO UPDATE SET sealed = excluded.sealed, written_at = clock_timestamp();
  DELETE FROM identity_marks m WHERE m.program_id = program AND m.participant_id = p_participant_id;
  INSERT INTO identity_marks (program_id, mark, participant_id)
  SELECT DISTINCT program, given, p_participant_id FROM unnest(p_marks) AS given;
  PERFORM note('identity.written', p_participant_id, '{}');
  RETURN QUERY SELECT m.participant_id, m.mark FROM identity_marks m
    WHERE m.program_id = program AND m.mark = ANY (p_seek) AND m.participant_id <> p_participant_id;
END $$
;;
-- The sealed identity, null without one. `p_claim_id`: the claim for whose sake it is looked at, if it is for one.
-- The server's log has it too: an entry goes with a transaction that is rolled back, a line in the log stays.
CREATE FUNCTION read_identity(p_participant_id uuid, p_claim_id uuid) RETURNS bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  found_sealed bytea;
BEGIN
  SELECT i.sealed INTO found_sealed FROM identities i
   WHERE i.program_id = casework_program() AND i.participant_id = p_participant_id;
  IF found_sealed IS NOT NULL THEN
    PERFORM note('identity.read', p_participant_id, jsonb_strip_nulls(jsonb_build_object('claim_id', p_claim_id)));
    RAISE LOG 'the identity of participant % is read by %', p_participant_id, current_actor();
  END IF;
  RETURN found_sealed;
END $$
;;
CREATE FUNCTION erase_identity(p_participant_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM identity_marks m WHERE m.program_id = casework_program() AND m.participant_id = p_participant_id;
  DELETE FROM identities i WHERE i.program_id = casework_program() AND i.participant_id = p_participant_id;
  IF FOUND THEN
    PERFORM note('identity.erased', p_participant_id, '{}');
  END IF;
  RETURN FOUND;
END $$
;;
-- Who is known by these marks. That somebody sought is noted with how many were found, not by what.
CREATE FUNCTION seek_identities(p_seek bytea[]) RETURNS TABLE (participant_id uuid, mark bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM note('identity.sought', casework_program(), jsonb_build_object('found', (
    SELECT count(DISTINCT m.participant_id) FROM identity_marks m
     WHERE m.program_id = casework_program() AND m.mark = ANY (p_seek))));
  RETURN QUERY SELECT m.participant_id, m.mark FROM identity_marks m
    WHERE m.program_id = casework_program() AND m.mark = ANY (p_seek);
END $$
;;
-- What someone says of themselves, under a pseudonym: `p_subjects` are that person's under every data key, the current
-- one's first. With nothing to say the row goes.
CREATE FUNCTION write_demographics(p_subjects uuid[], p_race_ethnicity text[], p_gender text[], p_language text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM demographics d WHERE d.program_id = casework_program() AND d.subject = ANY (p_subjects);
  IF num_nonnulls(p_race_ethnicity, p_gender, p_language) > 0 THEN
    INSERT INTO demographics (program_id, subject, race_ethnicity, gender, language)
    VALUES (casework_program(), p_subjects[1], p_race_ethnicity, p_gender, p_language);
  END IF;
  -- By the pseudonym: an entry that named the participant would join the row to them.
  PERFORM note('demographics.written', p_subjects[1], '{}');
END $$
;;
-- How many people gave each answer, and only where they are 11 or more: the rule for small cells that CMS publishes by.
CREATE FUNCTION count_demographics() RETURNS TABLE (dimension text, answer text, people bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT given.dimension, given.answer, count(*) FROM (
      SELECT 'race_ethnicity' AS dimension, unnest(d.race_ethnicity) AS answer FROM demographics d
       WHERE d.program_id = casework_program()
      UNION ALL
      SELECT 'gender', unnest(d.gender) FROM demographics d WHERE d.program_id = casework_program()
      UNION ALL
      SELECT 'language', d.language FROM demographics d
       WHERE d.program_id = casework_program() AND d.language IS NOT NULL) AS given
   GROUP BY given.dimension, given.answer HAVING count(*) >= 11
$$
;;
-- No consent names an organization that serves survivors: nothing of a person is ever joined to one (VAWA, FVPSA).
CREATE FUNCTION consents_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF EXISTS (SELECT FROM inserted n JOIN organizations o
                ON o.program_id = n.program_id AND o.id = ANY (n.disclosers || n.recipients)
              WHERE o.serves_survivors) THEN
    RAISE EXCEPTION 'a consent can''t name an organization that serves survivors of domestic violence'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'consents_no_survivors', TABLE = 'consents';
  END IF;
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT program_id, current_actor(), 'consent.given', participant_id, jsonb_build_object('consent_id', id)
    FROM inserted;
  RETURN NULL;
END $$
;;
CREATE TRIGGER consents_inserted AFTER INSERT ON consents
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION consents_inserted()
;;
-- What was signed never changes, and what has ended stays so. The sealed text may be sealed again under another key:
-- only the owner can, and what it says is under the key's own proof.
CREATE FUNCTION consents_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.program_id, NEW.id, NEW.participant_id, NEW.organization_id, NEW.recorded_by, NEW.text_version, NEW.kinds,
      NEW.disclosers, NEW.recipients, NEW.treating_providers, NEW.expiry, NEW.expires_at, NEW.signed_on, NEW.given_at)
     IS DISTINCT FROM
     (OLD.program_id, OLD.id, OLD.participant_id, OLD.organization_id, OLD.recorded_by, OLD.text_version, OLD.kinds,
      OLD.disclosers, OLD.recipients, OLD.treating_providers, OLD.expiry, OLD.expires_at, OLD.signed_on, OLD.given_at)
     OR (OLD.revoked_at IS NOT NULL AND (NEW.revoked_at, NEW.revoked_by, NEW.revoked_how)
         IS DISTINCT FROM (OLD.revoked_at, OLD.revoked_by, OLD.revoked_how))
     OR (OLD.ended_at IS NOT NULL AND (NEW.ended_at, NEW.ended_by) IS DISTINCT FROM (OLD.ended_at, OLD.ended_by)) THEN
    RAISE EXCEPTION 'consent %: what was signed, and how it ended, never changes', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'consents_immutable', TABLE = 'consents';
  END IF;
  RETURN NEW;
END $$
;;
CREATE TRIGGER consents_guard BEFORE UPDATE ON consents FOR EACH ROW EXECUTE FUNCTION consents_guard()
;;
CREATE FUNCTION consents_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT n.program_id, current_actor(), fact.action, n.participant_id,
         jsonb_strip_nulls(jsonb_build_object('consent_id', n.id, 'how', fact.how))
    FROM updated n JOIN before b ON b.program_id = n.program_id AND b.id = n.id
   CROSS JOIN LATERAL (VALUES ('consent.revoked', n.revoked_at, b.revoked_at, n.revoked_how),
                              ('consent.ended', n.ended_at, b.ended_at, NULL)) AS fact (action, now_at, then_at, how)
   WHERE fact.now_at IS NOT NULL AND fact.then_at IS NULL;
  RETURN NULL;
END $$
;;
CREATE TRIGGER consents_updated AFTER UPDATE ON consents
  REFERENCING OLD TABLE AS before NEW TABLE AS updated FOR EACH STATEMENT EXECUTE FUNCTION consents_updated()
;;
-- A disclosure is one only under a consent that stands at this moment, for a claim that stands, of this person, to
-- whom the consent names, of what it covers. The consent's row is locked, so a revocation comes before or after it.
CREATE FUNCTION disclosures_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  NEW.at := clock_timestamp();
  PERFORM FROM consents c
     JOIN claims m ON m.program_id = c.program_id AND m.id = NEW.claim_id AND m.state IN ('confirmed', 'arrived')
     JOIN bundles b ON b.program_id = m.program_id AND b.id = m.bundle_id AND b.participant_id = c.participant_id
     JOIN organizations o ON o.program_id = c.program_id AND o.id = NEW.organization_id AND NOT o.serves_survivors
    WHERE c.program_id = NEW.program_id AND c.id = NEW.consent_id AND c.participant_id = NEW.participant_id
      AND c.revoked_at IS NULL AND c.ended_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())
      AND c.kinds @> NEW.kinds
      AND (NEW.organization_id = ANY (c.recipients)
           OR (c.treating_providers AND m.organization_id = NEW.organization_id))
      FOR SHARE OF c;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no consent that stands covers this disclosure'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'disclosures_under_consent', TABLE = 'disclosures';
  END IF;
  RETURN NEW;
END $$
;;
CREATE TRIGGER disclosures_guard BEFORE INSERT ON disclosures FOR EACH ROW EXECUTE FUNCTION disclosures_guard()
;;
CREATE FUNCTION disclosures_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT program_id, current_actor(), 'participant.disclosed', participant_id, jsonb_build_object(
           'disclosure_id', id, 'organization_id', organization_id, 'consent_id', consent_id, 'claim_id', claim_id,
           'kinds', kinds)
    FROM inserted;
  RETURN NULL;
END $$
;;
CREATE TRIGGER disclosures_inserted AFTER INSERT ON disclosures
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION disclosures_inserted()
;;
CREATE FUNCTION data_keys_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT coalesce(NEW.program_id, OLD.program_id), current_actor(),
         CASE WHEN TG_OP = 'INSERT' THEN 'data_key.made' WHEN TG_OP = 'DELETE' THEN 'data_key.destroyed'
              WHEN NEW.retired_at IS DISTINCT FROM OLD.retired_at THEN 'data_key.retired'
              ELSE 'data_key.rewrapped' END,
         coalesce(NEW.id, OLD.id), jsonb_build_object('master_id', coalesce(NEW.master_id, OLD.master_id));
  RETURN NULL;
END $$
;;
CREATE TRIGGER data_keys_changed AFTER INSERT OR UPDATE OR DELETE ON data_keys
  FOR EACH ROW EXECUTE FUNCTION data_keys_changed()
;;
GRANT SELECT, INSERT (program_id, id, master_id, wrapped) ON data_keys TO openberth_app
;;
GRANT SELECT, INSERT (program_id, id, participant_id, organization_id, recorded_by, text_version, kinds, disclosers,
  recipients, treating_providers, expiry, expires_at, signed_on, sealed),
  UPDATE (revoked_at, revoked_by, revoked_how, ended_at, ended_by, ended_words) ON consents TO openberth_app
;;
GRANT SELECT, INSERT (program_id, id, participant_id, organization_id, caller_id, claim_id, consent_id, kinds,
  statement) ON disclosures TO openberth_app
;;
REVOKE ALL ON FUNCTION write_identity, read_identity, erase_identity, seek_identities, write_demographics,
  count_demographics, consents_inserted, consents_updated, disclosures_guard, disclosures_inserted, data_keys_changed
  FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION write_identity, read_identity, erase_identity, seek_identities, write_demographics,
  count_demographics TO openberth_app
