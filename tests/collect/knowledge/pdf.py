"""A PDF of given lines, page by page, as no library here writes one."""

from collections.abc import Sequence


def make_pdf(*pages: Sequence[str]) -> bytes:
    font = len(pages) * 2 + 3
    parts = ["<</Type/Catalog/Pages 2 0 R>>"]
    kids = " ".join(f"{3 + 2 * place} 0 R" for place in range(len(pages)))
    parts.append(f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>")
    for place, lines in enumerate(pages):
        drawn = "".join(f"({line}) Tj 0 -14 Td " for line in lines)
        content = f"BT /F1 12 Tf 20 700 Td {drawn}ET"
        shown = f"/Contents {4 + 2 * place} 0 R/Resources<</Font<</F1 {font} 0 R>>>>"
        parts.append(f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]{shown}>>")
        parts.append(f"<</Length {len(content)}>>stream\n{content}\nendstream")
    parts.append("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    raw = "%PDF-1.4\n"
    places = []
    for number, part in enumerate(parts, start=1):
        places.append(len(raw))
        raw += f"{number} 0 obj\n{part}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(parts) + 1
    end = f"trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(raw)}\n%%EOF"
    return f"{raw}xref\n0 {size}\n0000000000 65535 f \n{table}{end}".encode("latin-1")
