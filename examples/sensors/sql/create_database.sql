-- The database. Run once, before the tables.
CREATE DATABASE IF NOT EXISTS ${database}
