-- A city to search in: services around Seattle, each with the same number of openings, on every kind of terms.
SELECT setseed(0.5) \g /dev/null

CREATE FUNCTION pg_temp.answer() RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT (ARRAY['yes', 'yes', 'no', 'unknown'])[1 + floor(random() * 4)::int]
$$;

CREATE TEMP TABLE organization AS
SELECT n, uuidv7() AS id FROM generate_series(0, :services / 10 - 1) n;

INSERT INTO organizations (program_id, id, name) SELECT :'program', id, 'Organization ' || n FROM organization;

CREATE TEMP TABLE service AS
SELECT s.n, uuidv7() AS id, uuidv7() AS location_id, o.id AS organization_id,
       -- Denser towards the middle, as a city is.
       47.6062 + 0.25 * (random() + random() - 1) AS latitude,
       -122.3321 + 0.3 * (random() + random() - 1) AS longitude,
       (ARRAY['housing', 'housing', 'treatment', 'vocational', 'health'])[1 + floor(random() * 5)::int] AS category,
       jsonb_build_object(
         'id_not_required', pg_temp.answer(), 'sobriety_not_required', pg_temp.answer(), 'couples', pg_temp.answer(),
         'pets', pg_temp.answer(), 'step_free', pg_temp.answer(), 'open_24_hours', pg_temp.answer()) AS attributes
  FROM generate_series(1, :services) s (n)
  JOIN organization o ON o.n = s.n % (:services / 10);

INSERT INTO locations (program_id, id, organization_id, location_type, latitude, longitude, city)
SELECT :'program', location_id, organization_id, 'physical', latitude, longitude, 'Seattle' FROM service;

INSERT INTO services (program_id, id, organization_id, location_id, name, category, attributes)
SELECT :'program', id, organization_id, location_id, 'Service ' || n, category, attributes FROM service;

-- One in twelve has gone stale, and one in thirty was withdrawn.
INSERT INTO openings (program_id, id, service_id, organization_id, category, unit, units_total, attested_at, fresh_until,
                      withdrawn_at, languages, attributes, latitude, longitude)
SELECT :'program', uuidv7(), s.id, s.organization_id, s.category,
       CASE s.category WHEN 'housing' THEN 'bed' WHEN 'treatment' THEN 'treatment_place'
                       WHEN 'vocational' THEN 'training_seat' ELSE 'intake_appointment' END,
       1 + floor(random() * 12)::int, now() - random() * interval '6 hours', now() + (random() * 12 - 1) * interval '1 hour',
       CASE WHEN random() < 1 / 30.0 THEN now() END, ARRAY['en'], s.attributes, s.latitude, s.longitude
  FROM service s, generate_series(1, :openings / :services);
