-- People who sign in: what the app role may do with what is theirs, and the trace that every change of it leaves.

-- Which program a name is, asked before anybody has signed in to it.
CREATE FUNCTION program_of(p_slug text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT p.program_id FROM programs p WHERE p.slug = p_slug
$$
;;
-- Whose session this is, asked before it is known which program a transaction is for. Using it moves its idle end
-- on, at most once a minute: most requests only read.
CREATE FUNCTION find_session(p_hash bytea, p_idle interval)
RETURNS TABLE (program_id uuid, person_id uuid, organization_id uuid, role text, session_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
  moment timestamptz := clock_timestamp();
  seen timestamptz;
BEGIN
  SELECT s.program_id, s.person_id, p.organization_id, p.role, s.id, s.seen_at
    INTO program_id, person_id, organization_id, role, session_id, seen
    FROM sessions s JOIN people p ON p.program_id = s.program_id AND p.id = s.person_id
   WHERE s.hash = p_hash AND s.idle_until > moment AND s.expires_at > moment AND p.ended_at IS NULL;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF seen < moment - interval '1 minute' THEN
    UPDATE sessions s SET seen_at = moment, idle_until = least(moment + p_idle, s.expires_at) WHERE s.hash = p_hash;
  END IF;
  RETURN NEXT;
END $$
;;
-- Operators are made by whoever has the machine, on the command line: no request can make one.
CREATE FUNCTION people_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.role = 'operator' AND current_user = 'openberth_app' AND (TG_OP = 'INSERT' OR OLD.role <> 'operator') THEN
    RAISE EXCEPTION 'an operator is invited on the command line alone' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$
;;
CREATE TRIGGER people_guard BEFORE INSERT OR UPDATE OF role ON people
  FOR EACH ROW EXECUTE FUNCTION people_guard()
;;
CREATE TRIGGER people_inserted AFTER INSERT ON people
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION leave_trace('person.invited')
;;
-- What changed in a person's standing. Names and addresses are said to have changed, never what to.
CREATE FUNCTION people_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  WITH changed AS (
    SELECT n.program_id, n.id,
           CASE WHEN n.ended_at IS NOT NULL AND b.ended_at IS NULL THEN 'person.ended'
                WHEN n.ended_at IS NULL AND b.ended_at IS NOT NULL THEN 'person.reopened'
                WHEN n.joined_at IS NOT NULL AND b.joined_at IS NULL THEN 'person.joined'
                ELSE 'person.changed' END AS action,
           jsonb_strip_nulls(jsonb_build_object(
             'role', CASE WHEN n.role <> b.role THEN jsonb_build_array(b.role, n.role) END,
             'organization_id', CASE WHEN n.organization_id <> b.organization_id
                                     THEN jsonb_build_array(b.organization_id, n.organization_id) END,
             'name', CASE WHEN n.name <> b.name THEN 'changed' END)) AS detail
      FROM updated n JOIN before b ON b.program_id = n.program_id AND b.id = n.id
     WHERE (n.role, n.organization_id, n.name, n.email, n.ended_at, n.joined_at)
           IS DISTINCT FROM (b.role, b.organization_id, b.name, b.email, b.ended_at, b.joined_at)
  ), told AS (
    INSERT INTO events (program_id, type, subject_id, data) SELECT program_id, action, id, '{}' FROM changed)
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT program_id, current_actor(), action, id, detail FROM changed;
  RETURN NULL;
END $$
;;
CREATE TRIGGER people_updated AFTER UPDATE ON people
  REFERENCING OLD TABLE AS before NEW TABLE AS updated FOR EACH STATEMENT EXECUTE FUNCTION people_updated()
;;
-- What a person proves who they are with: in the trail that it changed, and nothing of what it is.
CREATE FUNCTION note_factor() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  concerned record := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  VALUES (concerned.program_id, current_actor(),
          TG_ARGV[0] || CASE TG_OP WHEN 'INSERT' THEN '.added' WHEN 'DELETE' THEN '.removed' ELSE '.changed' END,
          concerned.person_id, '{}');
  RETURN NULL;
END $$
;;
CREATE TRIGGER invitations_noted AFTER INSERT OR DELETE OR UPDATE ON invitations
  FOR EACH ROW EXECUTE FUNCTION note_factor('invitation')
;;
CREATE TRIGGER passwords_noted AFTER INSERT OR DELETE OR UPDATE ON passwords
  FOR EACH ROW EXECUTE FUNCTION note_factor('password')
;;
-- Not each code that was accepted: that is signing in.
CREATE TRIGGER totp_noted AFTER INSERT OR DELETE OR UPDATE OF secret, confirmed_at ON totp
  FOR EACH ROW EXECUTE FUNCTION note_factor('totp')
;;
CREATE TRIGGER recovery_codes_noted AFTER INSERT OR DELETE OR UPDATE ON recovery_codes
  FOR EACH ROW EXECUTE FUNCTION note_factor('recovery_codes')
;;
CREATE TRIGGER passkeys_noted AFTER INSERT OR DELETE ON passkeys
  FOR EACH ROW EXECUTE FUNCTION note_factor('passkey')
;;
CREATE TRIGGER openid_subjects_noted AFTER INSERT OR DELETE ON openid_subjects
  FOR EACH ROW EXECUTE FUNCTION note_factor('identity')
;;
-- Who vouches for a program's people is for its trail: which issuer, and never the secret.
CREATE FUNCTION note_provider() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  concerned record := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  VALUES (concerned.program_id, current_actor(),
          CASE TG_OP WHEN 'DELETE' THEN 'identity_provider.removed' ELSE 'identity_provider.set' END,
          concerned.program_id, jsonb_build_object('slug', concerned.slug, 'issuer', concerned.issuer));
  RETURN NULL;
END $$
;;
CREATE TRIGGER identity_providers_noted AFTER INSERT OR DELETE OR UPDATE ON identity_providers
  FOR EACH ROW EXECUTE FUNCTION note_provider()
;;
REVOKE ALL ON FUNCTION program_of, find_session, people_updated, people_guard, note_factor, note_provider FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION program_of, find_session TO openberth_app
;;
GRANT SELECT, INSERT (program_id, id, organization_id, role, email, name),
  UPDATE (organization_id, role, name, joined_at, ended_at) ON people TO openberth_app
;;
GRANT SELECT, INSERT, DELETE, UPDATE (hash, expires_at) ON invitations TO openberth_app
;;
GRANT SELECT, INSERT, DELETE, UPDATE (hash) ON sessions TO openberth_app
;;
GRANT SELECT, INSERT, DELETE, UPDATE (expires_at) ON devices TO openberth_app
;;
GRANT SELECT, INSERT, DELETE, UPDATE (tries) ON challenges TO openberth_app
;;
GRANT SELECT, INSERT, DELETE, UPDATE (failures, last_at, barred_until) ON sign_in_failures TO openberth_app
;;
GRANT SELECT, INSERT, DELETE, UPDATE (hash, changed_at) ON passwords TO openberth_app
;;
GRANT SELECT, INSERT, DELETE, UPDATE (secret, last_step, confirmed_at) ON totp TO openberth_app
;;
GRANT SELECT, INSERT, DELETE, UPDATE (hashes) ON recovery_codes TO openberth_app
;;
GRANT SELECT, INSERT, DELETE, UPDATE (sign_count, used_at) ON passkeys TO openberth_app
;;
GRANT SELECT, INSERT, DELETE, UPDATE (name, issuer, client_id, client_secret, changed_at) ON identity_providers
  TO openberth_app
;;
GRANT SELECT, INSERT, DELETE ON openid_subjects TO openberth_app
