"""Collections: any number of photos labelled shard by shard, into Parquet files that other programs read."""
