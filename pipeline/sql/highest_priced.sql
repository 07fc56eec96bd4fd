-- Average price per second of the last day, of the two symbols with the highest prices.
-- Reads: record_details
-- Demo: chart
WITH last_day AS (
  SELECT
    symbol,
    price,
    substr(event_time, 12, 8) AS event_time
  FROM ${database}.${table}
  WHERE substr(event_time, 1, 10) = (SELECT MAX(substr(event_time, 1, 10)) FROM ${database}.${table})
),
highest AS (
  SELECT symbol
  FROM last_day
  GROUP BY symbol
  ORDER BY MAX(price) DESC, symbol
  LIMIT 2
)
SELECT
  symbol,
  event_time,
  AVG(price) AS price
FROM last_day
WHERE symbol IN (SELECT symbol FROM highest)
GROUP BY symbol, event_time
ORDER BY event_time, symbol
