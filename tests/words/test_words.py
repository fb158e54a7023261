"""The catalogues agree key by key, and an answer in any language has the same numbers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files

import pytest

from weighbridge import words
from weighbridge.cli import main
from weighbridge.errors import InputError
from weighbridge.show.labels import BASES, LOOKS, PHASES
from weighbridge.term import LADDER, spoken
from weighbridge.words import LANGUAGES, language_of, of_environment, say, say_all, say_lines, use
from weighbridge.words.book import PAGE, Book, catalogue

OTHERS = [each for each in LANGUAGES if each != "en"]
PLACE = re.compile(r"\{(\w+)\}")
COMMANDS = [
    ["llama-3.1-8b", "--on", "rtx-4090"],
    ["qwen3-30b-a3b", "--on", "rtx-4090"],
    ["deepseek-v3", "--on", "8xh100", "--context", "32k", "--concurrency", "4"],
    ["jamba-v0.1"],
    ["qwen3-30b-a3b", "--on", "2xh100", "--engine", "vllm"],
    ["llama-3.1-8b", "--on", "rtx-4090", "--engine", "llama.cpp"],
    ["train", "llama-3.1-8b", "--on", "8xh100"],
    ["fit", "llama-3.1-8b", "--on", "rtx-4090"],
    ["speed", "llama-3.1-8b", "--on", "rtx-4090", "--engine", "vllm"],
]
# What an engine prints, how a kernel or a class is called, and names of models and cards.
IDENTIFIER = re.compile(
    r"[\w.+/<>=-]*|.*(?:avail mem|=|GiB|init engine|KV cache size|Maximum concurrency|Graph).*|"
    r"(?:GeForce|NVIDIA|H100|RTX).*|--.*|\W*|vllm .*|llama.cpp .*|transformers .*"
)


@pytest.fixture(autouse=True)
def _speak_english_after() -> Iterator[None]:
    yield
    use("en")


def texts(language: str) -> dict[str, str]:
    return {key: text for key, text in catalogue(language).items() if not key.startswith(PAGE)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_catalogue_has_the_same_keys_in_order_each_once(language: str) -> None:
    text = files("weighbridge.words").joinpath(f"{language}.json").read_text(encoding="utf-8")
    keys = [key for key, _ in json.loads(text, object_pairs_hook=list)]
    assert keys == sorted(set(keys))
    assert keys == list(catalogue("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_says_something_and_has_the_places_of_its_key(language: str) -> None:
    for key, text in texts(language).items():
        assert text.strip(), key
        assert set(PLACE.findall(text)) == set(PLACE.findall(key)), key
        if language == "en":
            assert text == key


@pytest.mark.parametrize("language", OTHERS)
def test_every_term_phase_and_rung_has_a_word(language: str) -> None:
    known = Book(language)
    named = [each.label for each in LOOKS.values()] + list(PHASES.values()) + list(BASES.values())
    for text in [*named, *LADDER, *(spoken(phase) for phase in ("forward", "backward", "step"))]:
        assert known.knows(text), text


@pytest.mark.parametrize(
    ("tag", "found"),
    [("tr", "tr"), ("tr_TR.UTF-8", "tr"), ("zh-Hans-CN", "zh"), ("zh_TW", "zh"), ("en_US", "en"),
     ("C", "en"), ("C.UTF-8", "en"), ("POSIX", "en"), ("fa_IR", "fa"), ("xx", None), ("", None),
     ("fa-u-nu-arabext", "fa-u-nu-arabext"), ("tr-u-nu-arabext", "tr")],
)  # fmt: skip
def test_a_tag_names_a_catalogue(tag: str, found: str | None) -> None:
    assert language_of(tag) == found


def test_the_environment_is_asked_in_the_order_of_locales() -> None:
    assert of_environment({"LANG": "tr_TR.UTF-8"}) == "tr"
    assert of_environment({"LANG": "tr_TR.UTF-8", "LC_ALL": "C"}) == "en"
    assert of_environment({"LC_MESSAGES": "zh_CN", "LANG": "tr_TR"}) == "zh"
    assert of_environment({"LANG": "de_DE.UTF-8"}) == of_environment({}) == "en"


def test_a_language_without_a_catalogue_is_refused() -> None:
    with pytest.raises(InputError, match="no catalogue of words for the language 'xx'"):
        use("xx")


@pytest.mark.parametrize(
    ("tag", "text", "said"),
    [
        ("tr", "17.60 GiB", "17,60 GiB"),
        ("tr", "1,024,000", "1.024.000"),
        ("tr", "<0.1 %", "<%0,1"),
        ("tr", "1.00–1.06", "1,00–1,06"),
        ("fa", "17.60 GiB", "17.60 GiB"),
        ("fa-u-nu-arabext", "17,360.5", "۱۷٬۳۶۰٫۵"),
        ("zh", "1,024 bytes", "1,024 字节"),
        ("tr", "meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("tr", "transformers 5.23.0", "transformers 5.23.0"),
        ("fa-u-nu-arabext", "rtx-4090", "rtx-4090"),
    ],
)
def test_numbers_are_written_as_the_language_does_and_names_are_not_touched(
    tag: str, text: str, said: str
) -> None:
    use(tag)
    assert say(text) == said
    assert say(say(text)) == said


def test_turkish_letters_stay_what_they_are() -> None:
    use("tr")
    assert say("context") == "bağlam"
    assert "İ" not in say("memory")
    assert say("fits") == "sığar"


def numbers(text: str) -> Counter[str]:
    """Digits and decimals, whatever marks them."""
    plain = text.translate(str.maketrans("۰۱۲۳۴۵۶۷۸۹٫٬", "0123456789.,"))
    return Counter(re.sub(r"[.,]", "", each) for each in re.findall(r"\d[\d.,]*\d|\d", plain))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("language", [*OTHERS, "fa-u-nu-arabext"])
def test_an_answer_has_the_same_numbers_in_every_language(
    command: list[str], language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(command)
    english = capsys.readouterr().out
    main([*command, "--lang", language])
    other = capsys.readouterr().out
    assert other != english
    missing = numbers(english) - numbers(other)
    assert set(missing) <= {"1"}, missing


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("language", OTHERS)
def test_an_answer_leaves_no_sentence_in_english(
    command: list[str],
    language: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = set()
    real = Book.say

    def watched(self: Book, text: str) -> str:
        said = real(self, text)
        if not self.knows(text) and text not in self.said.values():
            left.add(text)
        return said

    monkeypatch.setattr(Book, "say", watched)
    # Whole lines of tables are looked up once more, for what was not said piece by piece.
    monkeypatch.setattr("weighbridge.show.style.say_lines", str)
    main([*command, "--lang", language])
    capsys.readouterr()
    assert not {text for text in left if not IDENTIFIER.fullmatch(text)}


def test_commands_that_an_answer_shows_stay_as_they_are() -> None:
    use("tr")
    text = "  $ vllm serve x \\\n      --gpu-memory-utilization 0.92\n  -ngl 43\n# 1,024.5\n✓ fits"
    assert say_lines(text) == text.replace("fits", "sığar")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_number_is_written_twice(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A number that was turned into Turkish is not turned back where its line is looked up."""
    main(command)
    english = re.findall(r"(?<![\w.:/=-])\d{1,3}(?:,\d{3})+(?![\w.,])", capsys.readouterr().out)
    main([*command, "--lang", "tr"])
    out = capsys.readouterr().out
    logged = out.partition("loglardı")[2]
    assert not [each for each in english if each in out.replace(logged, "")]


def test_json_is_the_same_in_every_language(capsys: pytest.CaptureFixture[str]) -> None:
    main(["llama-3.1-8b", "--json"])
    english = capsys.readouterr().out
    main(["llama-3.1-8b", "--json", "--lang", "fa"])
    assert capsys.readouterr().out == english


def test_sentences_of_json_can_be_said_and_its_numbers_stay() -> None:
    data = {"fits": True, "bytes": 5, "why": "smaller weights", "source": "smaller weights",
            "assumptions": ["smaller weights"], "try": [{"why": "smaller weights"}]}  # fmt: skip
    use("zh")
    said = say_all(data)
    assert said["why"] == said["assumptions"][0] == said["try"][0]["why"] == "更小的权重"
    assert said["source"] == "smaller weights"
    assert said["bytes"] == 5


def test_errors_are_spoken_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["llama-3.1-8b", "--on", "24G", "--lang", "tr"]) == 2
    assert capsys.readouterr().err.startswith("weigh: hata: '24G' kart boyutunun birimi belirsiz")


def test_persian_isolates_what_is_written_from_left_to_right() -> None:
    use("fa")
    assert "\u2068GeForce RTX 4090\u2069" in say(
        "17.60 GiB of 23.52 GiB on GeForce RTX 4090, 5.92 GiB to spare at the peak, in prefill"
    )


def test_english_opens_no_catalogue() -> None:
    program = (
        "import sys\nfrom weighbridge.cli import main\nmain(['llama-3.1-8b'])\n"
        "sys.exit('weighbridge.words.book' in sys.modules)"
    )
    environ = {"PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], env=environ, check=False).returncode == 0
    assert words.language() == "en"
