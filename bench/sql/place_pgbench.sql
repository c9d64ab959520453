-- A random place around the city, from the same square as in lua/search.lua, written as `on_earth` has it.
SELECT format('(%s, %s, %s)', 6371 * cos(latitude) * cos(longitude), 6371 * cos(latitude) * sin(longitude),
              6371 * sin(latitude)) AS here
  FROM (SELECT radians(47.6062 + 0.15 * (2 * random() - 1)) AS latitude,
               radians(-122.3321 + 0.15 * (2 * random() - 1)) AS longitude) place
\gset
