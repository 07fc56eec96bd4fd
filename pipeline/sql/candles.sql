-- Candles: opening, highest, lowest and closing price per symbol and minute of event time.
-- Reads: record_details
-- Trades of the same millisecond are ordered by tick_id, so that a candle never depends on the order of files.
WITH timed AS (
  SELECT
    symbol,
    price,
    volume,
    event_time || tick_id AS sequence,
    TRY(from_iso8601_timestamp(event_time)) AS moment
  FROM ${database}.${table}
  WHERE symbol IS NOT NULL
)
SELECT
  symbol,
  date_format(moment, '%Y-%m-%d %H:%i') AS minute,
  MIN_BY(price, sequence) AS open,
  MAX(price) AS high,
  MIN(price) AS low,
  MAX_BY(price, sequence) AS close,
  SUM(volume) AS volume,
  COUNT(*) AS ticks
FROM timed
WHERE moment IS NOT NULL
GROUP BY symbol, date_format(moment, '%Y-%m-%d %H:%i')
ORDER BY symbol, minute
