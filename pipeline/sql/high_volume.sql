-- Records with a volume above 15000, the largest first.
-- Reads: records
SELECT
  symbol,
  price,
  volume,
  processed_at
FROM ${database}.${table}
WHERE volume > 15000
ORDER BY volume DESC, symbol, processed_at, price
