-- Records stored per minute of processing time, and how many symbols were among them.
-- Reads: records
WITH timed AS (
  SELECT
    symbol,
    TRY(from_iso8601_timestamp(processed_at)) AS moment
  FROM ${database}.${table}
  WHERE symbol IS NOT NULL
)
SELECT
  date_format(moment, '%Y-%m-%d %H:%i') AS minute,
  COUNT(DISTINCT symbol) AS symbols,
  COUNT(*) AS records
FROM timed
WHERE moment IS NOT NULL
GROUP BY date_format(moment, '%Y-%m-%d %H:%i')
ORDER BY minute
