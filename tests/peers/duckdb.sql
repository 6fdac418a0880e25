-- One month by DuckDB: rate, share out, split, net, and the points left, all in integers: a price times 10^8,
-- amounts in minor units.

CREATE TEMP TABLE price AS
SELECT funder, redeemer, CAST(CAST(price AS DECIMAL(18, 8)) * 100000000 AS HUGEINT) AS price
FROM read_csv('prices.csv', all_varchar = true);

CREATE TEMP TABLE split AS
SELECT payer, redeemer, CAST(part AS INTEGER) AS part, beneficiary,
       CAST(CAST(share AS DECIMAL(18, 8)) * 100000000 AS HUGEINT) AS share
FROM read_csv('splits.csv', all_varchar = true);

CREATE TEMP TABLE slice AS
SELECT kind, line, reference, member, funder, issued, expires, slice_points AS points
FROM $slices
WHERE funder IS NOT NULL;

-- An event's exact amount is rounded half up once, then shared out by largest remainder: ties go by funder, issue
-- month and expiry.
CREATE TEMP TABLE owed AS
WITH exact AS (
  SELECT s.*, s.points * p.price AS exact,
         sum(s.points * p.price) OVER event AS event_exact
  FROM slice s JOIN price p ON p.funder = s.funder AND p.redeemer = s.line
  WHERE s.kind = 'redemption'
  WINDOW event AS (PARTITION BY s.line, s.reference, s.member)
), rounded AS (
  SELECT *, (2 * event_exact + 1000000) // 2000000 AS total FROM exact
), parts AS (
  SELECT *, total * exact // event_exact AS part, total * exact % event_exact AS remainder FROM rounded
), ranked AS (
  SELECT *, total - sum(part) OVER (PARTITION BY line, reference, member) AS units,
         row_number() OVER (PARTITION BY line, reference, member ORDER BY remainder DESC, funder, issued, expires) AS rank
  FROM parts
)
SELECT funder AS payer, line AS redeemer, CAST(sum(part + (rank <= units)::INTEGER) AS HUGEINT) AS amount
FROM ranked WHERE funder <> line GROUP BY ALL;

-- Shares of the period's amount by largest remainder, in the order of the rule.
CREATE TEMP TABLE bilateral AS
WITH parts AS (
  SELECT o.payer, o.redeemer, s.part AS position, s.beneficiary, o.amount AS total,
         o.amount * s.share // 100000000 AS part, o.amount * s.share % 100000000 AS remainder
  FROM owed o JOIN split s ON s.payer = o.payer AND s.redeemer = o.redeemer
), ranked AS (
  SELECT *, total - sum(part) OVER (PARTITION BY payer, redeemer) AS units,
         row_number() OVER (PARTITION BY payer, redeemer ORDER BY remainder DESC, position) AS rank
  FROM parts
)
SELECT payer, beneficiary AS payee, CAST(sum(part + (rank <= units)::INTEGER) AS HUGEINT) AS amount
FROM ranked WHERE payer <> beneficiary GROUP BY ALL;

SELECT 'owed,' || payer || ',' || redeemer || ',' || amount AS row FROM owed
UNION ALL
SELECT 'bilateral,' || payer || ',' || payee || ',' || amount FROM bilateral
UNION ALL
SELECT 'net,' || line || ',' || CAST(sum(amount) AS HUGEINT)
FROM (SELECT payee AS line, amount FROM bilateral UNION ALL SELECT payer, -amount FROM bilateral)
GROUP BY line HAVING sum(amount) <> 0
UNION ALL
SELECT unnest([
  'issued,' || funder || ',' || issued || ',' || expires || ',' || sum(points) FILTER (kind = 'accrual'),
  'outstanding,' || funder || ',' || issued || ',' || expires || ',' ||
    sum(CASE kind WHEN 'accrual' THEN points ELSE -points END)])
FROM slice GROUP BY funder, issued, expires;
