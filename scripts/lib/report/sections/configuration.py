"""The section on the configuration."""

import json

from scripts.lib.report.drawing.content import Section, Text
from scripts.lib.report.study import Study


def section(study: Study) -> Section:
    """The resolved config as a listing."""
    listing = Text(json.dumps(study.config, indent=2, ensure_ascii=False), preformatted=True)
    return Section("config", "Configuration", "Every setting behind this page, resolved.", [listing])
