-- Lowest, mean and highest temperature of each sensor, in °C.
-- Reads: readings
-- Demo: table
SELECT
  site,
  sensor,
  MIN(temperature) AS lowest,
  AVG(temperature) AS mean,
  MAX(temperature) AS highest,
  COUNT(*) AS readings
FROM ${database}.${table}
WHERE site IS NOT NULL
GROUP BY site, sensor
ORDER BY site, sensor
