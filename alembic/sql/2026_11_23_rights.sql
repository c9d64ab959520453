-- Who may touch what: row-level security by program on every table, and the app role's rights column by column.

DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'openberth_app') THEN
    CREATE ROLE openberth_app NOLOGIN NOBYPASSRLS;
  END IF;
  -- Since PostgreSQL 16 whoever creates a role may grant it, but not yet act as it. On a managed server someone
  -- else may have made it and granted it already.
  BEGIN
    EXECUTE format('GRANT openberth_app TO %I', current_user);
  EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'openberth_app could not be granted to %: its administrator must do so', current_user;
  END;
END $$
;;
DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['programs', 'organizations', 'locations', 'services', 'openings', 'participants', 'bundles',
                           'claims', 'unmet_needs', 'events', 'audit', 'idempotency', 'keys'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    -- The sub-select is read once a statement instead of once a row; unset, it is null and shows nothing.
    EXECUTE format('CREATE POLICY one_program ON %I TO openberth_app
      USING (program_id = (SELECT nullif(current_setting(''openberth.program_id'', true), '''')::uuid))', t);
  END LOOP;
END $$
;;
GRANT USAGE ON SCHEMA public TO openberth_app
;;
GRANT SELECT ON programs, organizations, locations, services, openings, participants, bundles, claims, unmet_needs,
  events, audit, idempotency TO openberth_app
;;
GRANT INSERT ON locations, services, participants, bundles, claims, unmet_needs, idempotency TO openberth_app
;;
GRANT INSERT (program_id, id, name, description, website, email, serves_survivors, source_key) ON organizations
  TO openberth_app
;;
GRANT UPDATE (policy, time_zone, name) ON programs TO openberth_app
;;
GRANT UPDATE (status, fingerprint, body, etag) ON idempotency TO openberth_app
;;
GRANT INSERT (program_id, id, service_id, organization_id, category, unit, units_total, starts_at, ends_at,
  attested_at, fresh_until, withdrawn_at, hold_minutes, minimum_age, maximum_age, languages, attributes, latitude,
  longitude, source_key), UPDATE (units_total, starts_at, ends_at, attested_at, fresh_until, withdrawn_at, hold_minutes,
  minimum_age, maximum_age, languages, attributes, version) ON openings TO openberth_app
;;
GRANT UPDATE (state, hold_until, extensions, confirmed_at, arrived_at, ended_at, reason) ON claims TO openberth_app
;;
REVOKE ALL ON FUNCTION expire_lapsed, find_key, every_program, leave_trace, claims_inserted, claims_updated,
  claims_deleted, openings_inserted, openings_updated, programs_updated FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION expire_lapsed, find_key, every_program TO openberth_app
