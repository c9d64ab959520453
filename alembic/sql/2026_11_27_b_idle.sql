-- Which programs have something to be done: so a loop that looks every second need not ask each of them.

-- Those for which `seal_trail` would do more than look: its own condition.
CREATE FUNCTION programs_unsealed() RETURNS TABLE (program_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_seqscan = off AS $$
  SELECT p.program_id
    FROM programs p
    LEFT JOIN audit_chains c ON c.program_id = p.program_id
   WHERE c.fence_xid <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
      OR EXISTS (
        SELECT FROM audit a WHERE a.program_id = p.program_id AND a.id > coalesce(c.settled_id, 0)
           AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.program_id = p.program_id AND s.entry_id = a.id))
$$
;;
-- Those with a hold that has lapsed and is still held.
CREATE FUNCTION programs_lapsed() RETURNS TABLE (program_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off AS $$
  SELECT p.program_id FROM programs p
   WHERE EXISTS (SELECT FROM claims c WHERE c.program_id = p.program_id AND c.state = 'held'
                    AND c.hold_until <= clock_timestamp())
$$
;;
-- Those with somebody whom a notice could reach, in a browser or (with `p_email`) by mail, or with one still to be sent.
CREATE FUNCTION programs_reached(p_email boolean) RETURNS TABLE (program_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off AS $$
  SELECT p.program_id FROM programs p
   WHERE EXISTS (
        SELECT FROM people h WHERE h.program_id = p.program_id AND h.joined_at IS NOT NULL AND h.ended_at IS NULL
           AND (p_email OR EXISTS (
             SELECT FROM push_subscriptions s WHERE s.program_id = h.program_id AND s.person_id = h.id)))
      OR EXISTS (SELECT FROM notices n WHERE n.program_id = p.program_id AND n.state = 'due')
$$
;;
REVOKE ALL ON FUNCTION programs_unsealed, programs_lapsed, programs_reached FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION programs_unsealed, programs_lapsed, programs_reached TO openberth_app
