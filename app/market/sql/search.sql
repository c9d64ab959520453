-- What can be claimed now and fits a need, best first. The braces are filled by app/market/search.py.
-- The shortlist is nearest first, so that a limit on distance can be applied afterwards: an index can walk outward
-- from a point, but row-level security keeps it from being asked for a box.
WITH short AS (
  SELECT o.id, o.program_id, o.service_id, o.organization_id, o.category, o.unit, o.starts_at, o.ends_at,
         o.attested_at, o.fresh_until, o.minimum_age, o.maximum_age, o.languages, o.attributes,
         o.confidential,
         o.units_total - o.units_taken + lapsed.units AS units_open,
         {chord} AS chord
    FROM openings o
    -- Holds that have lapsed take nothing, swept or not; only an opening that has one is looked at more closely.
    CROSS JOIN LATERAL (
      SELECT CASE WHEN o.next_lapse_at <= statement_timestamp() THEN (
               SELECT coalesce(sum(c.units), 0) FROM claims c
                WHERE c.program_id = o.program_id AND c.opening_id = o.id AND c.state = 'held'
                  AND c.hold_until <= statement_timestamp())
             ELSE 0 END AS units) lapsed
   WHERE o.program_id = :program_id
     AND o.fresh_until > statement_timestamp()
     AND o.withdrawn_at IS NULL
     AND coalesce(o.ends_at > statement_timestamp(), true)
     -- Nothing beyond the immediacy window can be held; such an opening is there when the program has narrowed it.
     AND (o.starts_at IS NULL OR o.starts_at <= statement_timestamp() + make_interval(hours => coalesce(
           (SELECT (p.policy #>> ARRAY['categories', o.category, 'immediacy_hours'])::int
              FROM programs p WHERE p.program_id = o.program_id),
           CASE o.category {window_hours} END)))
     AND (o.units_total - o.units_taken >= :units
          OR o.units_total - o.units_taken + lapsed.units >= :units){filters}
   ORDER BY {order}
   LIMIT {shortlist}
), measured AS (
  SELECT short.*, g.name AS organization_name, {as_of} AS as_of, {fit} AS fit,
         -- least() passes over nulls: without the case, what has no place would be at the other end of the earth.
         CASE WHEN chord IS NOT NULL THEN 2 * {earth_km} * asin(least(1, chord / (2 * {earth_km}))) END AS distance_km,
         greatest(0, extract(epoch FROM {as_of} - attested_at)::float8 / 60) AS attested_minutes_ago,
         (g.promises_kept + {kept})::float8 / (g.promises_kept + g.promises_broken + {claims}) AS honour_rate
    FROM short
    JOIN organizations g ON g.program_id = short.program_id AND g.id = short.organization_id
), scored AS (
  SELECT measured.*, {score} AS score FROM measured
), best AS (
  SELECT * FROM scored
   WHERE true{rank_filters}
   ORDER BY score DESC, id
   LIMIT :limit
)
SELECT best.*, s.name AS service_name, l.city
  FROM best
  JOIN services s ON s.program_id = best.program_id AND s.id = best.service_id
  LEFT JOIN locations l ON l.program_id = s.program_id AND l.id = s.location_id AND NOT l.masked
                         AND NOT best.confidential
 ORDER BY score DESC, best.id
