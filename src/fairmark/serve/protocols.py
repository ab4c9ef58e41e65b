"""Requests of two protocols that clients speak already, turned into rows and back.

MLflow's scoring protocol (`/invocations`, mlflow.org/docs/latest/ml/deployment/deploy-model-locally) and the
Open Inference Protocol, version 2 (`/v2/models/NAME/infer`, github.com/kserve/open-inference-protocol).
Columns that the model does not read are passed over, as both have it; they are not kept.
"""

from collections.abc import Mapping, Sequence

from fairmark.serve.body import Fault, Refused, shown
from fairmark.serve.decision import Answer
from fairmark.serve.scorer import Scorer
from fairmark.serve.wire import DecisionRequest, Reader

MLFLOW_KEYS = ("dataframe_split", "dataframe_records", "instances", "inputs")
MLFLOW_BESIDE = {"params", "client_request_id"}
PERSON = -1
"""What stands for a decision that is left to a person, where a number must stand."""
OUTPUTS = ("score", "decision", "decision_id")
DATATYPES = {"numeric": "FP64", "boolean": "BOOL"}
SCALARS = (str, int, float, bool, type(None))


def _refused(*faults: Fault) -> Refused:
    return Refused(422, "no request of this protocol", *faults)


def mlflow_rows(value: object, reader: Reader) -> DecisionRequest:
    """Return the rows of a request to `/invocations`.

    Raises
    ------
    Refused
        422, when it has none of the four forms.
    """
    if not isinstance(value, dict):
        raise _refused(Fault("must be an object", shown(value)))
    given = [key for key in MLFLOW_KEYS if key in value]
    unknown = sorted(set(value) - {*MLFLOW_KEYS} - MLFLOW_BESIDE)
    if len(given) != 1 or unknown:
        got = ", ".join([*given, *unknown])[:80] or "none"
        raise _refused(Fault(f"must hold one of {', '.join(MLFLOW_KEYS)}", got))
    if value.get("params"):
        raise _refused(Fault("must be empty, for the model takes none", "some", field="params"))
    key, found = given[0], value[given[0]]
    match key:
        case "dataframe_split":
            rows = _split(found)
        case "inputs" if isinstance(found, dict):
            rows = _columns(found, "inputs")
        case _:
            rows = _records(found, key, reader.scorer.columns)
    return _asked(rows, reader)


def _split(found: object) -> list[dict[str, object]]:
    match found:
        case {"columns": list(columns), "data": list(data)}:
            if all(isinstance(name, str) for name in columns) and len({*columns}) == len(columns):
                return _lines(data, columns, "dataframe_split")
    raise _refused(Fault("must hold columns, each once, and data", shown(found), field="dataframe_split"))


def _lines(data: Sequence[object], columns: Sequence[str], field: str) -> list[dict[str, object]]:
    faults = [
        Fault(f"must be a list of {len(columns)}", shown(line), number, field)
        for number, line in enumerate(data, 1)
        if not isinstance(line, list) or len(line) != len(columns)
    ]
    if faults:
        raise _refused(*faults)
    return [dict(zip(columns, line, strict=True)) for line in data if isinstance(line, list)]


def _columns(found: Mapping[str, object], field: str) -> list[dict[str, object]]:
    lengths = {len(each) for each in found.values() if isinstance(each, list)}
    if len(lengths) != 1 or not all(isinstance(each, list) for each in found.values()):
        raise _refused(Fault("must hold lists of one length, a column each", shown(found), field=field))
    names = list(found)
    return [dict(zip(names, line, strict=True)) for line in zip(*found.values(), strict=True)]


def _records(found: object, field: str, columns: Sequence[str]) -> list[dict[str, object]]:
    if not isinstance(found, list):
        raise _refused(Fault("must be a list of rows", shown(found), field=field))
    if found and all(isinstance(row, list) for row in found):
        # Without names, columns stand in the order of the model's own signature.
        return _lines(found, columns, field)
    faults = [
        Fault("must be an object, column to value", shown(row), number, field)
        for number, row in enumerate(found, 1)
        if not isinstance(row, dict)
    ]
    if faults:
        raise _refused(*faults)
    return [row for row in found if isinstance(row, dict)]


def _asked(rows: Sequence[Mapping[str, object]], reader: Reader) -> DecisionRequest:
    if not rows:
        raise _refused(Fault("must hold a row at least", "none"))
    if len(rows) > reader.limits.rows:
        must = f"must hold at most {reader.limits.rows} rows"
        raise Refused(422, "too many rows", Fault(must, str(len(rows))))
    known = [reader.only_read(row) for row in rows]
    return DecisionRequest(known, [None] * len(known), single=False)


def mlflow_answer(answers: Sequence[Answer]) -> dict[str, object]:
    """Return the answer of `/invocations`: of each row its score and decision, and the decision's id."""
    return {
        "predictions": [
            {"score": each.score, "decision": each.decision, "id": each.id, "decided_by": each.decided_by}
            for each in answers
        ]
    }


def v2_metadata(scorer: Scorer) -> dict[str, object]:
    """Return what the protocol tells of a model: its inputs, one tensor a column, and its outputs."""
    inputs = [
        {"name": column.name, "datatype": DATATYPES.get(column.kind.name, "BYTES"), "shape": [-1]}
        for column in scorer.model.reader.columns
    ]
    outputs = [
        {"name": "score", "datatype": "FP64", "shape": [-1]},
        {"name": "decision", "datatype": "INT64", "shape": [-1]},
        {"name": "decision_id", "datatype": "BYTES", "shape": [-1]},
    ]
    return {
        "name": scorer.name,
        "versions": [scorer.version],
        "platform": "fairmark",
        "inputs": inputs,
        "outputs": outputs,
    }


def v2_rows(value: object, reader: Reader) -> DecisionRequest:
    """Return the rows of an inference request: one tensor a column, of shape [n] or [n, 1].

    Raises
    ------
    Refused
        422, with every tensor that is not what it must be.
    """
    tensors = value.get("inputs") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(tensors, list) or not tensors:
        raise _refused(Fault("must hold inputs, a tensor each", shown(value), field="inputs"))
    faults, columns = [], dict[str, list[object]]()
    for number, tensor in enumerate(tensors, 1):
        found = _tensor(tensor)
        if isinstance(found, Fault):
            faults.append(Fault(found.must, found.got, number, "inputs"))
        elif found[0] in columns:
            faults.append(Fault("must come once", "it twice", number, found[0][:80]))
        else:
            columns[found[0]] = found[1]
    if len({len(each) for each in columns.values()}) > 1:
        got = ", ".join(str(len(each)) for each in columns.values())[:80]
        faults.append(Fault("must hold tensors of one length", got, field="inputs"))
    faults += _output_faults(value.get("outputs"))
    if faults:
        raise _refused(*faults)
    return _asked(_columns(columns, "inputs"), reader)


def _output_faults(asked: object) -> list[Fault]:
    if asked is None:
        return []
    if not isinstance(asked, list):
        return [Fault("must be a list of outputs", shown(asked), field="outputs")]
    names = [each.get("name") if isinstance(each, dict) else each for each in asked]
    must = f"must be of {', '.join(OUTPUTS)}"
    return [
        Fault(must, shown(name), field="outputs")
        for name in names
        if not (isinstance(name, str) and name in OUTPUTS)
    ]


def _tensor(tensor: object) -> tuple[str, list[object]] | Fault:
    match tensor:
        case {"name": str(name), "shape": list(shape), "datatype": str(), "data": list(data)}:
            flat = [each for item in data for each in (item if isinstance(item, list) else [item])]
            if shape not in ([len(flat)], [len(flat), 1]):
                return Fault(f"must have the shape [{len(flat)}] or [{len(flat)}, 1]", shown(shape))
            if not all(isinstance(each, SCALARS) for each in flat):
                return Fault("must hold single values", "others")
            return name, flat
    return Fault("must hold name, shape, datatype and data", shown(tensor))


def v2_answer(value: object, answers: Sequence[Answer], scorer: Scorer) -> dict[str, object]:
    """Return the answer to an inference request; a decision that is left to a person is -1."""
    rows = [len(answers)]
    outputs = [
        {"name": "score", "datatype": "FP64", "shape": rows, "data": [each.score for each in answers]},
        {
            "name": "decision",
            "datatype": "INT64",
            "shape": rows,
            "data": [PERSON if each.decision is None else each.decision for each in answers],
        },
        {"name": "decision_id", "datatype": "BYTES", "shape": rows, "data": [each.id for each in answers]},
    ]
    asked = value.get("outputs") if isinstance(value, dict) else None
    if isinstance(asked, list) and asked:
        names = [each.get("name") for each in asked if isinstance(each, dict)]
        outputs = [each for each in outputs if each["name"] in names]
    answer: dict[str, object] = {
        "model_name": scorer.name,
        "model_version": scorer.version,
        "outputs": outputs,
    }
    if isinstance(value, dict) and isinstance(value.get("id"), str):
        answer["id"] = value["id"]
    return answer
