-- Maximum price per symbol.
-- Reads: records
SELECT
  symbol,
  MAX(price) AS maximum_price
FROM ${database}.${table}
WHERE symbol IS NOT NULL
GROUP BY symbol
ORDER BY symbol
