"""Stands in for `tune.bring` where a test is about adding: any adapter is found good, a model goes half the way.

Run: python fake_reader.py FOLDER
"""

import hashlib
import json
import sys
from pathlib import Path


def main(work: Path) -> None:
    order = json.loads((work / "order.json").read_text())
    folder = Path(order["folder"])
    is_model = (folder / "config.json").exists()
    weights = next(folder.glob("*.safetensors")).read_bytes()
    if weights == b"broken":
        sys.exit("the last words of a child")
    if weights == b"strange":
        words = {"subject": order["name"], "problem": "is strange", "remedy": "Bring another."}
        (work / "found.json").write_text(json.dumps(words))
        return
    (work / "adapter").mkdir()
    (work / "adapter" / "adapter_model.safetensors").write_bytes(weights)
    sha256 = hashlib.sha256(weights).hexdigest()
    digest = hashlib.sha256(f"adapter_model.safetensors\0{sha256}\n".encode()).hexdigest()
    entry = {"name": "adapter_model.safetensors", "size_bytes": len(weights), "sha256": sha256}
    manifest = {"kind": "adapter", "content_hash": digest, "files": [entry]}
    (work / "adapter" / "manifest.json").write_text(json.dumps(manifest))
    shares = {"share": 0.4, "said": 0.75} if is_model else {}
    found = {"kind": "model" if is_model else "adapter", "rank": 8, **shares}
    (work / "found.json").write_text(json.dumps(found))


main(Path(sys.argv[1]))
