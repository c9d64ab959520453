-- How fresh each provider's word is: of its openings that are not withdrawn, not over, and were attested so as to hold
-- at some time since `since`. The index on freshness finds them, category by category.
SELECT o.organization_id, count(*) AS openings,
       count(*) FILTER (WHERE o.fresh_until > statement_timestamp()) AS fresh,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM statement_timestamp() - o.attested_at)::float8 / 60)
         AS minutes
  FROM (SELECT DISTINCT category FROM services WHERE program_id = :program_id) known
  JOIN openings o ON o.program_id = :program_id AND o.category = known.category AND o.fresh_until > :since
 WHERE o.withdrawn_at IS NULL AND coalesce(o.ends_at > statement_timestamp(), true)
 GROUP BY o.organization_id
