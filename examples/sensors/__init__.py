"""A second pipeline, made with the same kit: temperature and humidity from the sensors of several sites."""
