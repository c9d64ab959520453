-- What decides whom openings serve, and what is shown of them besides their state. The brace is filled by the reader.
SELECT o.id, o.version, o.category, o.unit, o.attributes::text AS attributes, o.minimum_age, o.maximum_age, o.languages,
       o.starts_at, o.ends_at, o.latitude, o.longitude, s.name AS service_name, g.name AS organization_name, l.city,
       coalesce((SELECT (p.policy #>> ARRAY['categories', o.category, 'immediacy_hours'])::int
                   FROM programs p WHERE p.program_id = o.program_id),
                CASE o.category {window_hours} END) AS immediacy_hours
  FROM openings o
  JOIN services s ON s.program_id = o.program_id AND s.id = o.service_id
  JOIN organizations g ON g.program_id = o.program_id AND g.id = o.organization_id
  LEFT JOIN locations l ON l.program_id = s.program_id AND l.id = s.location_id AND NOT l.masked
 WHERE o.program_id = $1 AND o.id = ANY ($2::uuid[])
