-- The same objects as table records, with every field that the function stores. The columns of records come first,
-- in their order: that is how the SerDe reads a line that is an array.
CREATE EXTERNAL TABLE IF NOT EXISTS ${database}.record_details (
  ${symbol},
  ${price},
  ${volume},
  ${processed_at},
  ${other_columns}
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
LOCATION 's3://${bucket}/${prefix}'
