-- Readings to which an alert rule applies, the newest first, at most 1000.
-- Reads: readings
SELECT
  event_time,
  site,
  sensor,
  temperature,
  humidity,
  reading_id
FROM ${database}.${table}
WHERE alert
ORDER BY event_time DESC, site, sensor, reading_id
LIMIT 1000
