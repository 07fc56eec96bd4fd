-- The new content of some partitions of table ticks: what they hold, and the new ticks. Partitions are listed as
-- '2026-01-05/TSLA', the text of new_records.sql is put in.
SELECT ${columns}, day, symbol
FROM ${database}.ticks
WHERE day || '/' || symbol IN (${partitions})
UNION ALL
SELECT ${columns}, day, symbol
FROM (${new_records}) AS new_records
WHERE day || '/' || symbol IN (${partitions})
