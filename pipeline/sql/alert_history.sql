-- Ticks at or above the alert threshold, the newest first, at most 1000.
-- Reads: record_details
SELECT
  event_time,
  symbol,
  price,
  volume,
  tick_id
FROM ${database}.${table}
WHERE alert
ORDER BY event_time DESC, symbol, tick_id
LIMIT 1000
