"""Put the texts of templates and code into the catalogs: `make translations`.

`LANGUAGE.po` has the console's own texts, `messages.LANGUAGE.po` what other packages say. What is
new stands there without a translation, for somebody to write; what is gone leaves.
"""

from itertools import chain
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

from tunesmith.console.language import LANGUAGES, TRANSLATIONS
from tunesmith.console.texts import texts_of_findings, texts_of_models, texts_of_settings
from tunesmith.console.translations.sentences import sentences

_CONSOLE = Path(__file__).parents[1]
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
_KEYWORDS = {**DEFAULT_KEYWORDS, "mark": None}


def template() -> Catalog:
    """Every text of the console, in English."""
    catalog = Catalog(project="Tunesmith", charset="utf-8")
    as_pages_are = {"trimmed": "true", "newstyle_gettext": "true", "extensions": "jinja2.ext.do"}
    # By default a template that cannot be parsed has no texts.
    options = {"templates/**.html": {**as_pages_are, "silent": "false"}}
    found = extract_from_dir(_CONSOLE, _METHODS, options, _KEYWORDS)
    for _, _, text, comments, context in found:
        catalog.add(text, auto_comments=comments, context=context)
    for text in chain(texts_of_settings(), texts_of_findings(), texts_of_models()):
        catalog.add(text)
    return catalog


def sentence_templates() -> Catalog:
    """Every sentence that other packages may say, as templates."""
    catalog = Catalog(project="Tunesmith", charset="utf-8")
    for sentence in sentences():
        catalog.add(sentence)
    return catalog


def read_catalog(name: str) -> Catalog:
    """A catalog as it is in the tree, such as `zh` or `messages.zh`."""
    with (TRANSLATIONS / f"{name}.po").open("rb") as file:
        return read_po(file, locale=name.rpartition(".")[2])


def untranslated(catalog: Catalog) -> list[str]:
    """Texts of a catalog that nobody has translated."""
    return [str(each.id) for each in catalog if each.id and (not _is_written(each) or each.fuzzy)]


def _is_written(message: Message) -> bool:
    forms = message.string if isinstance(message.string, tuple) else (message.string,)
    return all(forms)


def main() -> None:
    """Update every catalog, and say what there is to translate."""
    languages = [language for language in LANGUAGES if language != "en"]
    for prefix, texts in (("", template()), ("messages.", sentence_templates())):
        for language in languages:
            _update(f"{prefix}{language}", texts)


def _update(name: str, texts: Catalog) -> None:
    catalog = read_catalog(name)
    catalog.update(texts, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    with (TRANSLATIONS / f"{name}.po").open("wb") as file:
        write_po(file, catalog, width=100, sort_output=True, no_location=True, omit_header=True)
    for text in untranslated(catalog):
        print(f"{name}: {text}")


if __name__ == "__main__":
    main()
