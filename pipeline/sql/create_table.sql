-- The records as the Lambda function stores them, one JSON object per line.
-- A line that is no JSON becomes a row of NULLs instead of an error: one bad object must not break every query.
CREATE EXTERNAL TABLE IF NOT EXISTS ${database}.records (
  ${symbol},
  ${price},
  ${volume},
  ${processed_at}
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
LOCATION 's3://${bucket}/${prefix}'
