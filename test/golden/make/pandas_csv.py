"""What pandas reads from a CSV file with everything in it that is hard: printed as test/golden/data/csv.json has it."""

import io
import json
import math
import sys

import pandas

text = (
    "\ufeffname , score,truth,day,\"odd, name\",size\r\n"
    'Ann,1.5,True,2024-02-29,"a ""quoted"" one",1\r\n'
    '"Bo, Jr.",-2e3,false,1999-12-31,"two\nlines",2\n'
    "\r\n"
    "Ümit, .5 ,TRUE,2000-01-01,,3\r\n"
    "NA,+7,FALSE,1970-01-01,n/a,XL\n"
    '"",inf,True,2024-06-01,  spaced  ,1\n'
    "日本,NaN,False,2024-06-02,null,2\n"
    f'long,1e-300,true,2024-06-03,{"x" * 3_000},0x10'
)
frame = pandas.read_csv(io.BytesIO(text.encode()))
frame.columns = [name.strip() for name in frame.columns]
frame["day"] = (pandas.to_datetime(frame["day"]) - pandas.Timestamp("1970-01-01")) / pandas.Timedelta(days=1)


def plain(value):
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        return "Infinity"
    return value.item() if hasattr(value, "item") else value


columns = {name: [plain(value) for value in frame[name]] for name in frame.columns}
sys.stdout.reconfigure(encoding="utf-8")
print(json.dumps({"text": text, "columns": columns}, ensure_ascii=False, indent=1))
