-- Openings of as many units as there may be, attested now. Answers their ids.
INSERT INTO openings (program_id, id, service_id, organization_id, category, unit, units_total, attested_at, fresh_until)
SELECT program_id, uuidv7(), id, organization_id, category, 'bed', 100000, now(), now() + interval '12 hours'
  FROM services, generate_series(1, :count)
 WHERE program_id = :'program'
RETURNING id;
