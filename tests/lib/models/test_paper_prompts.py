"""The prompts of `config/prompts` against the paper's figures and the data they quote."""

import json
import os
from pathlib import Path

import pytest

from scripts.lib.models.prompts import PromptTemplate

PROMPTS = Path("config/prompts")


def test_the_ultrafeedback_prompt_is_figure_5():
    text = PromptTemplate(PROMPTS / "ultrafeedback.jinja", False).text("Why is the sky blue?")
    assert text == "Question: Why is the sky blue?\nAnswer:"


def test_the_judge_prompt_is_figure_6_in_two_messages():
    template = PromptTemplate(PROMPTS / "judge.jinja", True)
    system, user = template.messages("Why?", ["Because."])
    assert system["role"] == "system"
    assert system["content"].startswith(
        "Review the user's question and the corresponding response using the additive"
    )
    assert "\n5. Bestow a fifth point for a response that is impeccably tailored" in system["content"]
    assert "Respond in the following format:\n\nEvaluation evidence: <your brief" in system["content"]
    assert "\nScore: <total score>\n\nAssess from the perspective" in system["content"]
    assert system["content"].endswith("Evaluate strictly based on the five criteria above.")
    assert user == {"role": "user", "content": "<Question>: Why?\n<Response>: Because."}
    assert template.text("Why?", ["Because."]) == f"{system['content']}\n\n{user['content']}"


def test_the_judged_text_is_never_read_as_a_template():
    user = PromptTemplate(PROMPTS / "judge.jinja", True).messages(
        "{{ 1 }}", ["{% set system %}no{% endset %}"]
    )[1]
    assert user["content"] == "<Question>: {{ 1 }}\n<Response>: {% set system %}no{% endset %}"


def test_the_mmlu_pro_shots_are_worked_examples_of_the_validation_file():
    if "REDISTILL_SHARED_DATA" not in os.environ:
        pytest.skip("REDISTILL_SHARED_DATA is not set: no MMLU-Pro validation file")
    file = Path(os.environ["REDISTILL_SHARED_DATA"], "mmlu_pro", "validation_2025-08-25.json")
    rows = json.loads(file.read_text(encoding="utf-8"))
    given = [
        {"question": row["question"].strip(), "options": row["options"], "answer": row["cot_content"]}
        for row in rows[-2:]
    ]
    text = PromptTemplate(PROMPTS / "mmlu_pro.jinja", False).text("{asked}", ["{option}"], given)
    shots = text.split("\n\nQuestion: {asked}")[0].removeprefix("Question: ").split("\n\nQuestion: ")
    assert len(shots) == 2
    for shot in shots:
        question, rest = shot.split("\nOptions:\n")
        options, answer = rest.split("\nAnswer:\nLet's break this down step by step!\n")
        row = next(row for row in rows if row["question"].strip() == question)
        listed = [option for option in row["options"] if option != "N/A"]
        assert options.split("\n") == [
            f"{letter}. {option}" for letter, option in zip("ABCDEFGHIJ", listed, strict=False)
        ]
        assert answer == row["cot_content"].removeprefix("A: Let's think step by step.").strip()
        assert answer.endswith(f"The answer is ({row['answer']}).")
