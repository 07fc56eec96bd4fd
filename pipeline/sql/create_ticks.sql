-- The compacted records: Parquet, one file per day and symbol, each tick once.
-- Partition projection: Athena computes the partitions from these properties, there is no catalogue of them to keep.
-- `stockpipe compact` keeps the range of days and the symbols up to date.
CREATE EXTERNAL TABLE IF NOT EXISTS ${database}.ticks (
  tick_id string,
  price double,
  volume int,
  event_time string,
  processed_at string,
  latency_ms bigint,
  alert boolean
)
PARTITIONED BY (day string, symbol string)
STORED AS PARQUET
LOCATION 's3://${bucket}/curated/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.day.type' = 'date',
  'projection.day.format' = 'yyyy-MM-dd',
  'projection.day.range' = '${first_day},${last_day}',
  'projection.symbol.type' = 'enum',
  'projection.symbol.values' = '${symbols}'
)
