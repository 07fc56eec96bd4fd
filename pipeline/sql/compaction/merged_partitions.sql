-- The new content of some partitions of table ticks: what they hold, and the new ticks. Partitions are listed as
-- '2026-01-05/TSLA', the text of new_ticks.sql is put in.
SELECT tick_id, price, volume, event_time, processed_at, latency_ms, alert, day, symbol
FROM ${database}.ticks
WHERE day || '/' || symbol IN (${partitions})
UNION ALL
SELECT tick_id, price, volume, event_time, processed_at, latency_ms, alert, day, symbol
FROM (${new_ticks}) AS new_ticks
WHERE day || '/' || symbol IN (${partitions})
