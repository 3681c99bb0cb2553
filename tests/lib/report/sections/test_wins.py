"""What weakens the comparison by kind of question stands below its table."""

from dataclasses import replace

from scripts.lib.report.sections.wins import section
from scripts.lib.report.study import read_study
from tests.support.report_fixture import make_study


def test_a_setting_says_what_it_lacks_that_another_has(tmp_path):
    settings = (("world", "large", "small"), ("world", "tiny", "small"))
    accuracy = {"icl": 0.5, "sft": 0.6, "ours": 0.9}
    study = read_study(make_study(tmp_path, train=5, test=60, settings=settings, accuracy=accuracy))
    runs = [each for each in study.evaluations if (each.teacher, each.seed) != ("tiny", 1)]
    _, first, _, second = section(replace(study, evaluations=runs)).content
    few = "Few questions: 60 tell an accuracy near 50 % to within 12 points."
    assert first.notes == [few]
    assert second.notes == [few, "Missing seeds: world: tiny → small lacks 1."]


def test_a_seed_that_only_others_lack_is_not_missed_here(tmp_path):
    study = read_study(
        make_study(tmp_path, train=5, test=400, accuracy={"icl": 0.5, "sft": 0.6, "ours": 0.9})
    )
    runs = [each for each in study.evaluations if (each.variant, each.seed) != ("icl", 1)]
    _, table = section(replace(study, evaluations=runs)).content
    assert table.notes == []
