"""One month by DuckDB: python duckdb_month.py FOLDER csv|parquet"""

import pathlib
import sys

import duckdb

folder, form = pathlib.Path(sys.argv[1]), sys.argv[2]
columns = (
    "line,kind,reference,member,occurred_at,amount,points,value,slice,funder,issued,expires,slice_points".split(",")
)
types = {name: "BIGINT" if name == "slice_points" else "VARCHAR" for name in columns}
source = {
    "csv": f"read_csv('slices.csv', header = true, columns = {types})",
    "parquet": "read_parquet('slices.parquet')",
}[form]
sql = pathlib.Path(__file__).with_name("duckdb.sql").read_text()
sql = sql.replace("$slices", source)
connection = duckdb.connect(config={"file_search_path": str(folder)})
for (row,) in connection.execute(sql).fetchall():
    print(row)
