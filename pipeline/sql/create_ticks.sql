-- The compacted records: Parquet, one file per day and symbol, each tick once.
-- Partition projection: Athena computes the partitions from these properties, there is no catalogue of them to keep.
-- They span nothing yet: `stockpipe compact` widens the range of days and the symbols to what it has written.
-- `timestamp` is left out: event_time is the same moment, in UTC.
-- Without: timestamp
CREATE EXTERNAL TABLE IF NOT EXISTS ${database}.ticks (
  ${other_columns}
)
PARTITIONED BY (day string, ${symbol})
STORED AS PARQUET
LOCATION 's3://${bucket}/curated/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.day.type' = 'date',
  'projection.day.format' = 'yyyy-MM-dd',
  'projection.day.range' = '1970-01-01,1970-01-01',
  'projection.symbol.type' = 'enum',
  'projection.symbol.values' = 'NONE'
)
