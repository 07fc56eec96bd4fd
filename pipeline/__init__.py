"""What runs in the cloud: the Lambda function and the data contract. Nothing here imports the rest of stockpipe."""
