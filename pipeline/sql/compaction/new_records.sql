-- The ticks that are stored as JSON and not in table ticks yet, each once: the copy that was processed first.
-- A record counts as a tick when all that makes one is there; whatever else lies in the bucket stays where it is.
SELECT
  ${columns},
  substr(event_time, 1, 10) AS day,
  symbol
FROM (
  SELECT
    stored.*,
    ROW_NUMBER() OVER (PARTITION BY tick_id ORDER BY processed_at, symbol, event_time) AS copy
  FROM ${database}.record_details AS stored
  WHERE ${complete}
    AND regexp_like(symbol, '^[A-Z][A-Z0-9.-]{0,9}$')
    AND regexp_like(event_time, '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$')
    AND TRY(from_iso8601_timestamp(event_time)) IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM ${database}.ticks AS known WHERE known.tick_id = stored.tick_id)
) AS numbered
WHERE copy = 1
