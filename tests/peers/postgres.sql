-- One month by PostgreSQL, in exact numerics. The tables slices, prices and splits are loaded by postgres-load.sql.

CREATE TEMP TABLE owed AS
WITH exact AS (
  SELECT s.*, s.points * p.price AS exact,
         sum(s.points * p.price) OVER (PARTITION BY s.line, s.reference, s.member) AS event_exact
  FROM slices s JOIN prices p ON p.funder = s.funder AND p.redeemer = s.line
  WHERE s.kind = 'redemption'
), rounded AS (
  -- Currency units to minor units, halves away from zero.
  SELECT *, round(event_exact * 100) AS total FROM exact
), parts AS (
  SELECT *, div(total * exact, event_exact) AS part, mod(total * exact, event_exact) AS remainder FROM rounded
), ranked AS (
  SELECT *, total - sum(part) OVER (PARTITION BY line, reference, member) AS units,
         row_number() OVER (PARTITION BY line, reference, member
                            ORDER BY remainder DESC, funder, issued, expires) AS rank
  FROM parts
)
SELECT funder AS payer, line AS redeemer, sum(part + (rank <= units)::int) AS amount
FROM ranked WHERE funder <> line GROUP BY funder, line;

CREATE TEMP TABLE bilateral AS
WITH parts AS (
  SELECT o.payer, o.redeemer, s.part AS position, s.beneficiary, o.amount AS total,
         div(o.amount * s.share, 1) AS part, mod(o.amount * s.share, 1) AS remainder
  FROM owed o JOIN splits s ON s.payer = o.payer AND s.redeemer = o.redeemer
), ranked AS (
  SELECT *, total - sum(part) OVER (PARTITION BY payer, redeemer) AS units,
         row_number() OVER (PARTITION BY payer, redeemer ORDER BY remainder DESC, position) AS rank
  FROM parts
)
SELECT payer, beneficiary AS payee, sum(part + (rank <= units)::int) AS amount
FROM ranked WHERE payer <> beneficiary GROUP BY payer, beneficiary;

SELECT 'owed,' || payer || ',' || redeemer || ',' || amount FROM owed
UNION ALL
SELECT 'bilateral,' || payer || ',' || payee || ',' || amount FROM bilateral
UNION ALL
SELECT 'net,' || line || ',' || sum(amount)
FROM (SELECT payee AS line, amount FROM bilateral UNION ALL SELECT payer, -amount FROM bilateral) AS net
GROUP BY line HAVING sum(amount) <> 0
UNION ALL
SELECT unnest(ARRAY[
  'issued,' || cohort || ',' || points_issued, 'outstanding,' || cohort || ',' || outstanding])
FROM (
  SELECT funder || ',' || issued || ',' || expires AS cohort,
         sum(points) FILTER (WHERE kind = 'accrual') AS points_issued,
         sum(CASE kind WHEN 'accrual' THEN points ELSE -points END) AS outstanding
  FROM slices GROUP BY funder, issued, expires
) AS cohorts;
