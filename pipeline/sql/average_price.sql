-- Average price per symbol.
-- Reads: records
-- Demo: table
SELECT
  symbol,
  AVG(price) AS average_price,
  COUNT(*) AS records
FROM ${database}.${table}
WHERE symbol IS NOT NULL
GROUP BY symbol
ORDER BY symbol
