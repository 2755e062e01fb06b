"""The demo's flow: list the files, audit each on the workers, report. The audit itself is audit.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flowq
from flowq.demo.audit import analyse, stdlib_files

BROKEN = '''"""A file of the demo's own that no Python can read."""

def unfinished(
'''


class ListFiles(flowq.Node[Path, list[str]]):
    """Every ``.py`` file of the running Python's standard library, and one broken file of the demo's own."""

    def prep(self, shared: Any) -> Path:
        return Path(shared["out"])

    def exec(self, out: Path) -> list[str]:
        broken = out / "broken.py"
        broken.write_text(BROKEN)
        return [*map(str, stdlib_files()), str(broken)]

    def post(self, shared: Any, prep_res: Path, exec_res: list[str]) -> None:
        shared["files"] = exec_res


class Audit(flowq.ParallelBatchNode[str, dict[str, Any]]):
    """Audits one file per item. For a file that is not valid Python the fallback returns its path and size."""

    def prep(self, shared: Any) -> Any:
        return shared["files"]

    def exec(self, path: str) -> dict[str, Any]:
        return analyse(path)

    def exec_fallback(self, path: str, exc: Exception) -> dict[str, Any]:
        if not isinstance(exc, SyntaxError):
            raise exc
        return {"path": path, "size_bytes": Path(path).stat().st_size}

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["audit"] = exec_res


def audit_flow(report: flowq.Node[Any, Any], limit: int | None = None) -> flowq.Flow:
    """``ListFiles >> Audit >> report``; *limit*: the number of first files to audit."""
    files = ListFiles(name="list-files")
    files >> Audit(name="stdlib-audit", on_error="collect", limit=limit) >> report
    return flowq.Flow(start=files, name="stdlib-audit")
