-- When each sensor last reported, the one that has been silent longest first.
-- Reads: readings
SELECT
  site,
  sensor,
  MAX(event_time) AS last_seen,
  MAX_BY(temperature, event_time) AS temperature
FROM ${database}.${table}
WHERE site IS NOT NULL
GROUP BY site, sensor
ORDER BY last_seen, site, sensor
