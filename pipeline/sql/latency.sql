-- Latency percentiles per symbol, in milliseconds, from SQS accepting a tick to its processing.
-- Reads: record_details
SELECT
  symbol,
  COUNT(latency_ms) AS ticks,
  approx_percentile(latency_ms, 0.5) AS p50_ms,
  approx_percentile(latency_ms, 0.9) AS p90_ms,
  approx_percentile(latency_ms, 0.99) AS p99_ms,
  MAX(latency_ms) AS max_ms
FROM ${database}.${table}
WHERE symbol IS NOT NULL
GROUP BY symbol
ORDER BY symbol
