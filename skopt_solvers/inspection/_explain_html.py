"""Write an explanation as HTML that loads nothing from elsewhere."""

import unicodedata
from html import escape
from typing import Any

from ._linear_parts import shown_name

_FOR, _AGAINST = "33,102,172", "210,90,0"  # blue and orange: of other lightness, and told apart by the colour-blind
_LEVELS = 10
_JOINER = "\u200d"
_FRAME = (
    "font-family:sans-serif;font-size:14px;line-height:1.5;color:#111;background:#fff;padding:8px 12px;"
    "border:1px solid #ccc;max-width:60em;text-align:left"
)
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.9;margin:6px 0"
_TABLE = "border-collapse:collapse;font-size:13px;color:#111;background:#fff"
_NUMBER = "text-align:right;padding:1px 8px;font-variant-numeric:tabular-nums;white-space:nowrap"
_NAME = "text-align:left;padding:1px 8px;overflow-wrap:anywhere;max-width:30em"
_BAR = 60  # pixels of the longest


def explanation_html(explanation: Any, max_rows: int) -> str:
    """Return the HTML of an explanation, with a part for each class."""
    classes: dict[Any, list[dict[str, Any]]] = {}
    for record in explanation.records:
        classes.setdefault(record["class"], []).append(record)
    # one scale, so that the classes can be compared
    deepest = max((abs(amount) for spans in explanation.spans.values() for *_, amount in spans), default=0.0)
    features = [abs(record["contribution"]) for record in explanation.records if record["kind"] == "feature"]
    longest = max(features, default=0.0)
    parts = [f'<div style="{_FRAME}">']
    for label, records in classes.items():
        predicted = label in (
            explanation.predicted if isinstance(explanation.predicted, tuple) else [explanation.predicted]
        )
        parts.append(
            f'<div style="margin-top:4px"><b>{escape(shown_name(label))}</b>{" (predicted)" if predicted else ""}: '
            f"score {_signed(explanation.scores[label])}</div>"
        )
        table = _table(records, max_rows, longest)
        if label not in explanation.spans:
            parts.append(table)
            continue
        spans = explanation.spans[label]
        intercept = sum(record["contribution"] for record in records if record["kind"] == "intercept")
        in_text = sum(contribution for *_, contribution in spans)
        elsewhere = sum(record["contribution"] for record in records) - intercept - in_text
        summary = f"text {_signed(in_text)}, intercept {_signed(intercept)}"
        if abs(elsewhere) > 1e-6 * longest:  # and not rounding
            summary += f", features without a place {_signed(elsewhere)}"
        parts.append(
            f'<div style="{_TEXT}">{_marked(explanation.text, spans, deepest)}</div>'
            f'<details><summary style="font-size:12px;cursor:pointer">{summary}</summary>{table}</details>'
        )
    if explanation.spans:
        parts.append(
            f'<div style="font-size:12px;color:#444;margin-top:4px">{_mark("for", 0.6)} the class, '
            f"{_mark('against', -0.6)} it; the deeper, the more.</div>"
        )
    return "".join([*parts, "</div>"])


def _marked(text: str, spans: list[tuple[int, int, float]], deepest: float) -> str:
    """Return the text, escaped, with its parts coloured; neighbours of one colour are one element."""
    runs: list[list[Any]] = []
    done = 0
    for begin, end, contribution in spans:
        if begin > done:
            runs.append([done, begin, 0, 0.0])
        level = round(_LEVELS * contribution / deepest) if deepest else 0
        single = end - begin == 1
        joined = runs and single and runs[-1][1] == begin and (runs[-1][2] == level or _belongs(text, begin))
        if joined:
            runs[-1][1], runs[-1][3] = end, runs[-1][3] + contribution
        else:
            runs.append([begin, end, level, contribution])
        done = end
    runs.append([done, len(text), 0, 0.0])
    return "".join(
        _mark(text[begin:end], level / _LEVELS, _signed(total)) if level else escape(text[begin:end])
        for begin, end, level, total in runs
    )


def _belongs(text: str, i: int) -> bool:
    """Tell whether a character is drawn as a part of the one before it."""
    return unicodedata.category(text[i])[0] == "M" or _JOINER in (text[i], text[i - 1])


def _mark(text: str, strength: float, title: str = "") -> str:
    colour = _FOR if strength > 0 else _AGAINST
    line = "solid" if strength > 0 else "dotted"
    title = f' title="{title}"' if title else ""
    return (
        f'<span style="background:rgba({colour},{0.55 * abs(strength):.2g});'
        f'border-bottom:2px {line} rgb({colour})"{title}>{escape(text)}</span>'
    )


def _table(records: list[dict[str, Any]], max_rows: int, longest: float) -> str:
    features = [record for record in records if record["kind"] == "feature"]
    others = [record for record in records if record["kind"] != "feature"]
    shown, hidden = features[:max_rows], features[max_rows:]
    if hidden:
        total = sum(record["contribution"] for record in hidden)
        shown = [*shown, dict(kind="rest", feature=f"{len(hidden)} more", contribution=total, value=None, weight=None)]
    head = "".join(
        f'<th style="{_NAME if name == "feature" else _NUMBER};border-bottom:1px solid #999">{name}</th>'
        for name in ("feature", "value", "weight", "contribution", "")
    )
    rows = "".join(_table_row(record, longest) for record in [*shown, *others])
    return f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _table_row(record: dict[str, Any], longest: float) -> str:
    if record["kind"] == "feature":
        name = escape(shown_name(record["feature"]))
        numbers = f"{record['value']:.4g}", _signed(record["weight"])
    else:
        name = f"<i>{'intercept' if record['kind'] == 'intercept' else escape(record['feature'])}</i>"
        numbers = "", ""
    contribution = record["contribution"]
    cells = "".join(f'<td style="{_NUMBER}">{number}</td>' for number in (*numbers, _signed(contribution)))
    # an intercept or a sum of many would make the bars of single features invisible
    width = round(_BAR * abs(contribution) / longest) if longest and record["kind"] == "feature" else 0
    # bars against the class go to the left, so that colour is not needed
    left, colour = (_BAR, _FOR) if contribution > 0 else (_BAR - width, _AGAINST)
    bar = (
        f'<td style="padding:1px 4px"><div style="width:{2 * _BAR}px;height:10px;'
        f'background:linear-gradient(#999,#999) {_BAR}px 0/1px 100% no-repeat">'
        f'<div style="margin-left:{left}px;width:{width}px;height:10px;background:rgba({colour},.7)"></div></div></td>'
    )
    return f'<tr style="background:none"><td style="{_NAME}">{name}</td>{cells}{bar}</tr>'


def _signed(number: float) -> str:
    return f"{number:+.3g}".replace("-", "\N{MINUS SIGN}")
