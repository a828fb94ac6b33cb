"""Which words pushed a label, shown in the text by underline, height and words, not colour alone.

A full underline: the word pushed the label; a dotted one: it held it back. The thicker, the more.
"""

from __future__ import annotations

from html import escape

from distillora.inference.explain import Explanation, WordEffect

_LEVELS = 3
# effects below this are nothing to speak of: a logit moves by so much for no reason
_LEAST = 0.05


def highlight(explanation: Explanation) -> str:
    """Return the text as HTML with its words marked."""
    parts, end = [], 0
    most = max((abs(word.effect) for word in explanation.words), default=0.0)
    for word in explanation.words:
        parts.append(escape(explanation.text[end : word.start]))
        parts.append(_mark(word, most))
        end = word.end
    parts.append(escape(explanation.text[end:]))
    return f'<p class="dl-text">{"".join(parts)}</p>'


def tell_effects(explanation: Explanation, most: int = 4) -> str:
    """Say which words did most, as Markdown-free text in one or two sentences."""
    pushed = sorted((w for w in explanation.words if w.effect > _LEAST), key=lambda w: -w.effect)
    held = sorted((w for w in explanation.words if w.effect < -_LEAST), key=lambda w: w.effect)
    label, said = explanation.label, []
    if pushed:
        said.append(f"For {label}: {_list(pushed[:most])}.")
    if held:
        said.append(f"Against {label}: {_list(held[:most])}.")
    return " ".join(said) or f"No single word moves {label} much."


def _list(words: list[WordEffect]) -> str:
    return ", ".join(f"“{word.word}” {_signed(word.effect)}" for word in words)


def _mark(word: WordEffect, most: float) -> str:
    text = escape(word.word)
    if abs(word.effect) <= _LEAST:
        return text
    level = min(_LEVELS, 1 + int(_LEVELS * abs(word.effect) / most)) if most else 1
    side, way = ("for", "pushes it") if word.effect > 0 else ("against", "holds it back")
    title = f"{_signed(word.effect)}: {way}"
    return f'<span class="dl-{side} dl-level-{level}" title="{escape(title)}">{text}</span>'


def _signed(effect: float) -> str:
    return f"{effect:+.2f}".replace("-", "−")
