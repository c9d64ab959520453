-- Whose sessions these are, of those that hold, by their place in the list. For whoever stays connected and is asked
-- for again and again: unlike `find_person` it moves no idle end on, or a screen left open would never be signed out.
CREATE FUNCTION find_people(p_hashes bytea[])
RETURNS TABLE (nr bigint, program_id uuid, person_id uuid, organization_id uuid, role text, session_id uuid,
               serves_survivors boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT h.nr, s.program_id, s.person_id, p.organization_id, p.role, s.id, g.serves_survivors
    FROM unnest(p_hashes) WITH ORDINALITY AS h (hash, nr)
    JOIN sessions s ON s.hash = h.hash AND s.idle_until > clock_timestamp() AND s.expires_at > clock_timestamp()
    JOIN people p ON p.program_id = s.program_id AND p.id = s.person_id AND p.ended_at IS NULL
    JOIN organizations g ON g.program_id = p.program_id AND g.id = p.organization_id
$$
;;
REVOKE ALL ON FUNCTION find_people FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION find_people TO openberth_app
