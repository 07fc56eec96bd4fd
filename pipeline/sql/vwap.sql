-- Volume-weighted average price per symbol.
-- Reads: records
SELECT
  symbol,
  SUM(price * volume) / NULLIF(SUM(CAST(volume AS double)), 0) AS vwap,
  SUM(volume) AS volume
FROM ${database}.${table}
WHERE symbol IS NOT NULL
GROUP BY symbol
ORDER BY symbol
