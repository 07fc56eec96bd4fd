-- The same objects as table records, with every column that the function stores. The columns of records come first,
-- in their order: that is how the SerDe reads a line that is an array.
CREATE EXTERNAL TABLE IF NOT EXISTS ${database}.record_details (
  symbol string,
  price double,
  volume int,
  processed_at string,
  tick_id string,
  event_time string,
  latency_ms bigint,
  alert boolean
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
LOCATION 's3://${bucket}/processed/'
