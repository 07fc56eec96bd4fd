-- Top movers: the symbols whose price changed most, in percent, from their first to their last tick.
-- Reads: record_details
-- Demo: table
WITH edges AS (
  SELECT
    symbol,
    MIN_BY(price, event_time || tick_id) AS first_price,
    MAX_BY(price, event_time || tick_id) AS last_price
  FROM ${database}.${table}
  WHERE symbol IS NOT NULL
  GROUP BY symbol
)
SELECT
  symbol,
  first_price,
  last_price,
  100 * (last_price - first_price) / first_price AS change_percent
FROM edges
ORDER BY ABS(last_price - first_price) / first_price DESC, symbol
LIMIT 10
