"""Packaging. The run-time dependencies are those of requirements.txt, so the two cannot differ."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def read_version() -> str:
    """The version, read and not imported: nothing is installed yet when this runs."""
    text = (ROOT / "cdd_keras" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


def read_requirements() -> list[str]:
    """The lines of requirements.txt that name a package: no comment, no `-e .`."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-"))]


setup(
    name="cdd-keras",
    version=read_version(),
    description="Cross-domain disentanglement in Keras 3 on TensorFlow",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["cdd_keras", "cdd_keras.*", "serving", "serving.*"]),
    package_data={"cdd_keras": ["py.typed"]},
    install_requires=read_requirements(),
    extras_require={
        "dev": [
            "pytest>=9,<10",
            "pytest-xdist>=3.8,<4",
            "ruff>=0.17,<0.18",
            "import-linter>=2.7,<3",
            "check-jsonschema>=0.37,<0.40",
            "kubernetes-validate>=1.34,<2",
            "trustme>=1.2,<2",
        ]
    },
    entry_points={"console_scripts": ["cdd = cdd_keras.__main__:main"]},
)
