-- An entry in the trail of the transaction's own program, by whoever the transaction is for. The app role can leave
-- entries in no other way, so it can't choose whom an entry names, nor when it says it was.
CREATE FUNCTION note(p_action text, p_subject_id uuid, p_detail jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  VALUES (current_setting('openberth.program_id')::uuid, current_actor(), p_action, p_subject_id, p_detail)
$$
;;
REVOKE ALL ON FUNCTION note FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION note TO openberth_app
