-- The objects of which every line is in table ticks, with the same value in every column: only these may be deleted.
SELECT stored."$path" AS path
FROM ${database}.record_details AS stored
LEFT JOIN ${database}.ticks AS known
  ON known.tick_id = stored.tick_id
  AND known.symbol = stored.symbol
  AND known.event_time = stored.event_time
  AND ${same_values}
GROUP BY stored."$path"
HAVING COUNT(*) = COUNT(known.tick_id)
