-- The directory is edited: what changed is told and stands in the trail, and openings follow.

-- An organization's promises are counted on its row and are no change of it. The trail is read by more people than may
-- know where a masked place is, and it forgets nothing when a place is masked later: it names what changed of a
-- location, and says of that only whether it is masked.
CREATE FUNCTION directory_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  before jsonb := to_jsonb(OLD);
  after jsonb := to_jsonb(NEW);
BEGIN
  INSERT INTO events (program_id, type, subject_id, data) VALUES (NEW.program_id, TG_ARGV[0], NEW.id, '{}');
  INSERT INTO audit (program_id, actor, action, subject_id, detail)
  SELECT NEW.program_id, current_actor(), TG_ARGV[0], NEW.id,
         coalesce(jsonb_object_agg(key, CASE WHEN TG_TABLE_NAME = 'locations' AND key <> 'masked' THEN '"(not shown)"'
                                             ELSE value END), '{}')
    FROM jsonb_each(after - 'version') WHERE value IS DISTINCT FROM before -> key;
  RETURN NULL;
END $$
;;
CREATE TRIGGER organizations_changed AFTER UPDATE ON organizations FOR EACH ROW
  WHEN ((NEW.name, NEW.description, NEW.website, NEW.email)
        IS DISTINCT FROM (OLD.name, OLD.description, OLD.website, OLD.email))
  EXECUTE FUNCTION directory_changed('organization.changed')
;;
CREATE TRIGGER locations_changed AFTER UPDATE ON locations FOR EACH ROW WHEN (NEW IS DISTINCT FROM OLD)
  EXECUTE FUNCTION directory_changed('location.changed')
;;
CREATE TRIGGER services_changed AFTER UPDATE ON services FOR EACH ROW WHEN (NEW IS DISTINCT FROM OLD)
  EXECUTE FUNCTION directory_changed('service.changed')
;;
-- An opening has its place from its service's location, and is shown with the names of both and of its organization.
-- When one of these changes, every opening that can still be shown is at a new version, so that every board shows it
-- anew. One that is over moves along: else it would still tell a place that its service left, masked since.
CREATE FUNCTION openings_follow() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  concerned uuid[];
BEGIN
  -- In the order in which claims lock them.
  SELECT array_agg(o.id) INTO concerned FROM (
    SELECT id FROM openings
     WHERE program_id = NEW.program_id
       AND service_id IN (SELECT s.id FROM services s WHERE s.program_id = NEW.program_id
                             AND NEW.id = CASE TG_TABLE_NAME WHEN 'services' THEN s.id
                                                             WHEN 'locations' THEN s.location_id
                                                             ELSE s.organization_id END)
     ORDER BY id FOR NO KEY UPDATE) o;
  UPDATE openings o
     SET version = o.version + 1,
         latitude = CASE WHEN NOT o.confidential THEN l.latitude END,
         longitude = CASE WHEN NOT o.confidential THEN l.longitude END
    FROM services s
    LEFT JOIN locations l ON l.program_id = s.program_id AND l.id = s.location_id AND NOT l.masked
   WHERE o.program_id = NEW.program_id AND o.id = ANY (concerned)
     AND s.program_id = o.program_id AND s.id = o.service_id
     AND (o.withdrawn_at IS NULL AND coalesce(o.ends_at > statement_timestamp(), true)
          OR o.latitude IS NOT NULL AND (o.latitude, o.longitude) IS DISTINCT FROM (l.latitude, l.longitude));
  RETURN NULL;
END $$
;;
CREATE TRIGGER organizations_followed AFTER UPDATE OF name ON organizations FOR EACH ROW
  WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION openings_follow()
;;
CREATE TRIGGER locations_followed AFTER UPDATE OF latitude, longitude, masked, city ON locations FOR EACH ROW
  WHEN ((NEW.latitude, NEW.longitude, NEW.masked, NEW.city)
        IS DISTINCT FROM (OLD.latitude, OLD.longitude, OLD.masked, OLD.city))
  EXECUTE FUNCTION openings_follow()
;;
CREATE TRIGGER services_followed AFTER UPDATE OF name, location_id ON services FOR EACH ROW
  WHEN ((NEW.name, NEW.location_id) IS DISTINCT FROM (OLD.name, OLD.location_id))
  EXECUTE FUNCTION openings_follow()
;;
-- As in 2026_11_24_g_relay.sql, and besides: by other terms than now nothing could be claimed before, so whoever watches
-- for what an opening has become, such as nearer or for pets too, is told.
CREATE OR REPLACE FUNCTION openings_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO events (program_id, type, subject_id, data)
  SELECT n.program_id, opening_change(b, n), n.id, opening_facts(n) || jsonb_build_object('version_before', b.version, 'units_open_before',
           CASE WHEN b.withdrawn_at IS NULL AND b.fresh_until > statement_timestamp()
                 AND coalesce(b.ends_at > statement_timestamp(), true)
                 AND (n.version = b.version OR
                      (n.attributes, n.languages, n.minimum_age, n.maximum_age, n.starts_at, n.ends_at, n.latitude, n.longitude)
                      IS NOT DISTINCT FROM
                      (b.attributes, b.languages, b.minimum_age, b.maximum_age, b.starts_at, b.ends_at, b.latitude, b.longitude))
                THEN b.units_total - b.units_taken ELSE 0 END)
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
;;
REVOKE ALL ON FUNCTION directory_changed, openings_follow FROM PUBLIC
;;
-- Whose an entry is, its category and whether it serves survivors never change: openings and claims have it from here.
GRANT UPDATE (name, description, website, email, version) ON organizations TO openberth_app
;;
GRANT UPDATE (name, location_type, latitude, longitude, address_1, address_2, city, state_province, postal_code, country,
  masked, version) ON locations TO openberth_app
;;
GRANT UPDATE (location_id, name, description, status, hud_project_type, eligibility_description, minimum_age,
  maximum_age, languages, attributes, phones, schedules, required_documents, version) ON services TO openberth_app
