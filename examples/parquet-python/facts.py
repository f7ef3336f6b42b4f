"""Prints sender, recipients, subject and attachments of each mail in the Parquet files, one line of JSON a mail."""

import json
import os

import pyarrow.dataset as ds

lake = ds.dataset(os.environ.get("LAKE", "lake"), format="parquet", partitioning="hive")
for mail in lake.to_table(columns=["sender", "recipients", "subject", "attachments"]).to_pylist():
    print(json.dumps(mail, ensure_ascii=False))
