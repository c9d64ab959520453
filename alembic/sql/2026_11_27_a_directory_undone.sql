REVOKE UPDATE (name, description, website, email, version) ON organizations FROM openberth_app
;;
REVOKE UPDATE (name, location_type, latitude, longitude, address_1, address_2, city, state_province, postal_code,
  country, masked, version) ON locations FROM openberth_app
;;
REVOKE UPDATE (location_id, name, description, status, hud_project_type, eligibility_description, minimum_age,
  maximum_age, languages, attributes, phones, schedules, required_documents, version) ON services FROM openberth_app
;;
DROP TRIGGER services_followed ON services
;;
DROP TRIGGER locations_followed ON locations
;;
DROP TRIGGER organizations_followed ON organizations
;;
DROP TRIGGER services_changed ON services
;;
DROP TRIGGER locations_changed ON locations
;;
DROP TRIGGER organizations_changed ON organizations
;;
DROP FUNCTION openings_follow, directory_changed
;;
CREATE OR REPLACE FUNCTION openings_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO events (program_id, type, subject_id, data)
  SELECT n.program_id, opening_change(b, n), n.id, opening_facts(n) || jsonb_build_object('version_before', b.version, 'units_open_before',
           CASE WHEN b.withdrawn_at IS NULL AND b.fresh_until > statement_timestamp()
                 AND coalesce(b.ends_at > statement_timestamp(), true) THEN b.units_total - b.units_taken ELSE 0 END)
    FROM updated n JOIN before b ON b.program_id = n.program_id AND b.id = n.id
   WHERE opening_change(b, n) IS NOT NULL;
  -- One level down, it is a claim that moved the count, and the claim's own entry stands in the trail.
  IF pg_trigger_depth() = 1 THEN
    INSERT INTO audit (program_id, actor, action, subject_id, detail)
    SELECT n.program_id, current_actor(), opening_change(b, n), n.id,
           (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(n) - 'on_earth')
             WHERE value IS DISTINCT FROM to_jsonb(b) -> key)
      FROM updated n JOIN before b ON b.program_id = n.program_id AND b.id = n.id
     WHERE opening_change(b, n) IS NOT NULL;
  END IF;
  RETURN NULL;
END $$
