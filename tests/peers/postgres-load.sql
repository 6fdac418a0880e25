-- Loads the files of the month; the folder is psql's working directory.

SET client_min_messages = warning;
DROP TABLE IF EXISTS file, slices, prices, splits;
CREATE UNLOGGED TABLE file (
  line text, kind text, reference text, member text, occurred_at text, amount text, points text, value text,
  slice text, funder text, issued text, expires text, slice_points bigint
);
CREATE UNLOGGED TABLE prices (funder text, redeemer text, price numeric);
CREATE UNLOGGED TABLE splits (payer text, redeemer text, part int, beneficiary text, share numeric);
\copy prices FROM 'prices.csv' (FORMAT csv, HEADER)
\copy splits FROM 'splits.csv' (FORMAT csv, HEADER)
\copy file FROM 'slices.csv' (FORMAT csv, HEADER)
ALTER TABLE file RENAME TO slices;
ALTER TABLE slices DROP COLUMN points;
ALTER TABLE slices RENAME COLUMN slice_points TO points;
DELETE FROM slices WHERE funder IS NULL;
ANALYZE slices;
