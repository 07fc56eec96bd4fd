-- The readings as the function stores them, one JSON object per line.
-- A line that is not JSON becomes a row of NULLs instead of an error: one bad object must not break every query.
CREATE EXTERNAL TABLE IF NOT EXISTS ${database}.readings (
  ${site},
  ${sensor},
  ${temperature},
  ${humidity},
  ${other_columns}
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
LOCATION 's3://${bucket}/${prefix}'
