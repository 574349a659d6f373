"""Trains the bearing model from the CWRU recordings and exports it as ONNX with its card.

Usage: python models/bearing/train.py RECORDINGS_FOLDER [--check]
Deterministic: no random split, no random start. Needs the packages of requirements.txt.

The model is a log-linear pool of two multinomial logistic regressions over the logarithms of level-free features: one over
band shares and envelope lines, which tells faults apart well on a machine it has seen, and one over envelope lines and
shape factors, which carries over to fault sizes it has not seen. Pooled in the log domain the two are one linear layer
and a softmax, so that the exported graph is Abs, Add, Log, MatMul, Add, Softmax.
"""

import argparse
import hashlib
import json
import pathlib

import numpy as np
import pyarrow.parquet as pq
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import features

SIZE, HOP, RATE, BANDS = 2048, 1024, 12_000, 16
SHAFT_HZ = 29.5
AT = {"bpfo": 3.585, "bpfi": 5.415, "bsf": 4.714, "ftf": 0.398}
BAND_HZ = (2000.0, 6000.0)
LABELS = ["normal", "inner_race", "ball", "outer_race"]
INPUTS = (
    [f"band_{b}" for b in range(BANDS)]
    + ["env_" + name for name in sorted(AT)]
    + ["kurtosis", "crest_factor", "shape_factor", "impulse_factor"]
)
POOL_WEIGHT = 0.4
EPSILON = 1e-6
# The only healthy recording has 34 windows, each fault kind some 1,000: it counts this often in training.
HEALTHY_WEIGHT = 6
THRESHOLD = 0.80
OUT = pathlib.Path(__file__).resolve().parents[2] / "queries" / "bearing-health"


def load(folder):
    recordings = []
    for path in sorted(pathlib.Path(folder, "cwru").glob("*.parquet")):
        table = pq.read_table(path)
        meta = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
        x = table["de"].to_numpy().astype(np.float32)
        windows = np.stack([x[i : i + SIZE] for i in range(0, len(x) - SIZE + 1, HOP)]).astype(np.float64)
        recordings.append(
            {
                "name": path.stem,
                "load": int(meta["load_hp"]),
                "size": int(meta["fault_diameter_mils"]),
                "label": LABELS.index(meta["fault"]),
                "inputs": inputs(windows),
            }
        )
    return recordings


def inputs(windows):
    columns = {}
    columns.update(features.moments(windows))
    columns.update(features.band_shares(windows, BANDS))
    columns.update(features.envelope(windows, RATE, AT, SHAFT_HZ, BAND_HZ, tolerance=0.02, harmonics=2))
    return np.stack([columns[name] for name in INPUTS], axis=1).astype(np.float32)


def logs(x):
    return np.log(np.abs(x.astype(np.float64)) + EPSILON)


def part(x, y, members):
    """One regression as a linear layer over all inputs; inputs that are not its members have weight 0."""
    index = [INPUTS.index(name) for name in members]
    scaler = StandardScaler().fit(x[:, index])
    model = LogisticRegression(C=1.0, max_iter=2000).fit(scaler.transform(x[:, index]), y)
    weight = np.zeros((len(INPUTS), len(LABELS)))
    weight[index] = (model.coef_ / scaler.scale_).T
    bias = model.intercept_ - (model.coef_ * scaler.mean_ / scaler.scale_).sum(axis=1)
    return weight, bias


def fit(x, y):
    x = logs(x)
    spectral = [n for n in INPUTS if n.startswith(("band_", "env_"))]
    transferable = [n for n in INPUTS if not n.startswith("band_")]
    (w1, b1), (w2, b2) = part(x, y, spectral), part(x, y, transferable)
    return POOL_WEIGHT * w1 + (1 - POOL_WEIGHT) * w2, POOL_WEIGHT * b1 + (1 - POOL_WEIGHT) * b2


def predict(model, x):
    z = logs(x) @ model[0] + model[1]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def rows(parts):
    x = np.concatenate([p for p, _ in parts])
    return x, np.concatenate([np.full(len(p), label) for p, label in parts])


def folds(recordings, key):
    """Leave one value of `key` out. The healthy recording is cut by time, two windows apart, as there is only one."""
    values = sorted({r[key] for r in recordings if r["label"] != 0})
    for i, value in enumerate(values):
        train, test = [], []
        for r in recordings:
            x = r["inputs"]
            if r["label"] == 0:
                a, b = i * len(x) // len(values), (i + 1) * len(x) // len(values)
                train += [(np.concatenate([x[: max(0, a - 2)], x[b + 2 :]]), 0)] * HEALTHY_WEIGHT
                test.append((r["name"], x[a:b], 0))
            elif r[key] == value:
                test.append((r["name"], x, r["label"]))
            else:
                train.append((x, r["label"]))
        yield value, fit(*rows(train)), test


def score_folds(recordings, key):
    out = {}
    for value, model, test in folds(recordings, key):
        right = total = 0
        worst_faulty, worst_healthy = 1.0, 0.0
        for _, x, label in test:
            p = predict(model, x)
            right += int((p.argmax(axis=1) == label).sum())
            total += len(x)
            score = 1 - p[:, 0]
            if label == 0:
                worst_healthy = max(worst_healthy, float(score.max()))
            else:
                worst_faulty = min(worst_faulty, float((score >= THRESHOLD).mean()))
        out[str(value)] = {
            "fault_type_accuracy": round(right / total, 4),
            "windows": total,
            "least_share_above_threshold_of_a_faulty_recording": round(worst_faulty, 4),
            "largest_healthy_score": round(worst_healthy, 4),
        }
    return out


def export(model, path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Abs", ["features"], ["abs"]),
        helper.make_node("Add", ["abs", "epsilon"], ["shifted"]),
        helper.make_node("Log", ["shifted"], ["logs"]),
        helper.make_node("MatMul", ["logs", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constant = lambda name, value: numpy_helper.from_array(np.asarray(value, dtype=np.float32), name)
    graph = helper.make_graph(
        nodes,
        "bearing",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", len(INPUTS)])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(LABELS)])],
        [constant("epsilon", [EPSILON]), constant("weight", model[0]), constant("bias", model[1])],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="littoral")
    built.ir_version = 8
    onnx.checker.check_model(built)
    path.write_bytes(built.SerializeToString())


def run_onnx(path, x):
    import onnxruntime

    return onnxruntime.InferenceSession(str(path)).run(None, {"features": x})[0]


def check(recordings, path):
    """Every faulty recording raises exceptions, the healthy one none; gives the smallest margins."""
    for r in recordings:
        score = 1 - run_onnx(path, r["inputs"])[:, 0]
        above = float((score >= THRESHOLD).mean())
        print(f"{r['name']:16} above threshold {above:6.3f}  score {score.min():.4f} to {score.max():.4f}")
        assert (above == 0) == (r["label"] == 0), r["name"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("recordings")
    parser.add_argument("--check", action="store_true", help="only judge the committed model")
    args = parser.parse_args()
    recordings, path = load(args.recordings), OUT / "bearing.onnx"
    if not args.check:
        scores = {"leave_one_load_out": score_folds(recordings, "load"), "leave_one_fault_size_out": score_folds(recordings, "size")}
        print(json.dumps(scores, indent=1))
        model = fit(*rows([(r["inputs"], r["label"]) for r in recordings for _ in range(HEALTHY_WEIGHT if r["label"] == 0 else 1)]))
        export(model, path)
        x = np.concatenate([r["inputs"] for r in recordings])
        assert np.abs(run_onnx(path, x) - predict(model, x)).max() < 1e-4
        card = {
            "name": "bearing",
            "inputs": INPUTS,
            "labels": LABELS,
            "trained_on": "CWRU Bearing Data Center, drive end, 12 kHz, loads 0 to 2 hp, windows of 2048 samples every 1024",
            "seed": "none: nothing is drawn at random",
            "opset": 13,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "threshold": THRESHOLD,
            "scores": scores,
        }
        (OUT / "bearing.card.json").write_text(json.dumps(card, indent=1) + "\n")
    check(recordings, path)


if __name__ == "__main__":
    main()
