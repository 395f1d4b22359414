"""Stands in for `tune.bring` where a test is about adding: any adapter is found good, a model goes part of the way or
stays whole, as ordered.

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
    is_whole, alone = order["is_served_whole"], {"alone": b""} if order["is_alone"] else {}
    (work / "adapter").mkdir()
    written = (
        {"config.json": b"{}", "model.safetensors": weights, **alone}
        if is_whole
        else {"adapter_model.safetensors": weights}
    )
    entries, digest = [], hashlib.sha256()
    for name, content in sorted(written.items()):
        (work / "adapter" / name).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        digest.update(f"{name}\0{sha256}\n".encode())
        entries.append({"name": name, "size_bytes": len(content), "sha256": sha256})
    kind = "model" if is_whole else "adapter"
    manifest = {"kind": kind, "content_hash": digest.hexdigest(), "files": entries}
    (work / "adapter" / "manifest.json").write_text(json.dumps(manifest))
    shares = {"share": 0.4, "said": 0.75} if is_model and not is_whole else {}
    found = {"kind": "model" if is_model else "adapter", "is_whole": is_whole, "rank": 0 if is_whole else 8, **shares}
    (work / "found.json").write_text(json.dumps(found))


main(Path(sys.argv[1]))
