-- The same objects as table records, with every column that the function stores.
CREATE EXTERNAL TABLE IF NOT EXISTS ${database}.record_details (
  tick_id string,
  symbol string,
  price double,
  volume int,
  event_time string,
  processed_at string,
  latency_ms bigint,
  alert boolean
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
LOCATION 's3://${bucket}/processed/'
