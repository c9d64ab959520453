-- What was asked for in a time and could not be claimed, by what was asked, the commonest first. Its area is the one
-- whose middle is nearest to where it was asked for, no further than 25 km (0.2248 degrees); else ''.
WITH area AS MATERIALIZED (
  SELECT area_name(city, postal_code) AS name, avg(latitude) AS latitude, avg(longitude) AS longitude
    FROM locations
   WHERE program_id = :program_id AND NOT masked AND latitude IS NOT NULL AND area_name(city, postal_code) <> ''
   GROUP BY 1
), asked AS (
  SELECT category, unit, units, filters -> 'needs' AS needs, filters ->> 'household' AS household,
         filters ->> 'language' AS language, filters -> 'near' AS near, count(*) AS times
    FROM unmet_needs
   WHERE program_id = :program_id AND at >= :since AND at < :until
   GROUP BY 1, 2, 3, 4, 5, 6, 7
), point AS MATERIALIZED (
  SELECT near, (SELECT a.name FROM area a
                 WHERE power(a.latitude - (p.near ->> 0)::float8, 2)
                       + power((a.longitude - (p.near ->> 1)::float8) * cos(radians(a.latitude)), 2) <= power(0.2248, 2)
                 ORDER BY power(a.latitude - (p.near ->> 0)::float8, 2)
                          + power((a.longitude - (p.near ->> 1)::float8) * cos(radians(a.latitude)), 2), a.name
                 LIMIT 1) AS area
    FROM (SELECT DISTINCT near FROM asked WHERE near IS NOT NULL) p
)
SELECT category, unit, units, needs, household, language, coalesce(point.area, '') AS area, sum(times)::bigint AS times
  FROM asked LEFT JOIN point ON point.near = asked.near
 GROUP BY 1, 2, 3, 4, 5, 6, 7
 ORDER BY times DESC, 1, 2, 3, 4, 5, 6, 7
