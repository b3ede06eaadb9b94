"""The benchmarks' modules, which are no package of this project's."""

import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / "benchmarks"
# Behind everything else: benchmarks/serving.py must not hide the package `serving`.
sys.path.append(str(FOLDER))
