-- Mean humidity of each site in %, of the sensors that measure it.
-- Reads: readings
SELECT
  site,
  COUNT(DISTINCT sensor) AS sensors,
  AVG(humidity) AS humidity
FROM ${database}.${table}
WHERE humidity IS NOT NULL
GROUP BY site
ORDER BY site
