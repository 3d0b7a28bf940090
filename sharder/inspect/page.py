"""A self-contained HTML page: nothing of it comes from elsewhere, nothing in it runs but our own.

All text is escaped here, and the page's own policy lets the browser load nothing from outside and
run no script but `_SCRIPT`: names and labels come from files that anybody may have made.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sharder.inspect.ink import SOFTWARE

_STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; max-width: 1200px; margin: 2rem auto; color: #222;
       padding: 0 1rem; }
h1 { overflow-wrap: anywhere; margin-bottom: 0; } h2 { margin-top: 2.5rem; }
p, li, figcaption { max-width: 50rem; } .note, figcaption { color: #666; }
figure { margin: 1rem 0; } img { width: 100%; display: block; }
table { border-collapse: collapse; }
td { padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid #ddd; overflow-wrap: anywhere; }
article { border-top: 1px solid #ddd; padding: .6rem 0 1rem; }
article h3 { margin: .2rem 0 .4rem; font-size: 1rem; overflow-wrap: anywhere; }
h3 b { color: #d1495b; margin-right: .6rem; }
.label { background: #dfe8ee; border-radius: .3rem; padding: .1rem .5rem; margin-left: .5rem; }
.picture { position: relative; } .head { position: absolute; top: 0; bottom: 0; width: 2px;
       background: #222; visibility: hidden; }
audio { width: 100%; height: 2.2rem; margin-top: .3rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 1.2rem; }
"""
_SCRIPT = """
for (const card of document.querySelectorAll("article")) {
  const sound = card.querySelector("audio"), head = card.querySelector(".head");
  if (!sound || !head) continue;
  const left = Number(head.dataset.left), right = Number(head.dataset.right);
  const move = () => {
    const share = Math.min(sound.currentTime / sound.duration, 1) || 0;
    head.style.left = 100 * (left + (right - left) * share) + "%";
    head.style.visibility = "visible";
    if (!sound.paused) requestAnimationFrame(move);
  };
  sound.addEventListener("play", move);
  sound.addEventListener("seeked", move);
}
"""


@dataclass(frozen=True)
class Pages:
    """What is to be written: the page, the picture beside it, and a line for the terminal."""

    html: bytes
    png: bytes
    summary: str


def text(value: object) -> str:
    """`value` as text that is no markup."""
    return html.escape(str(value))


def page(title: str, sections: Iterable[str]) -> bytes:
    """The whole page, UTF-8."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    document = (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<meta name='generator' content='{SOFTWARE}'>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{text(title)}</title><style>{_STYLE}</style>"
        f"<h1>{text(title)}</h1>{''.join(sections)}<script>{_SCRIPT}</script></html>\n"
    )
    return document.encode("utf-8", errors="replace")


def section(title: str, *parts: str) -> str:
    """A heading and what stands below it."""
    return f"<h2>{text(title)}</h2>{''.join(parts)}"


def paragraph(value: str, *, note: bool = False) -> str:
    """A paragraph of plain text."""
    return f"<p{' class=note' if note else ''}>{text(value)}</p>"


def numbered(values: Iterable[str]) -> str:
    """A numbered list of plain texts."""
    return f"<ol>{''.join(f'<li>{text(value)}</li>' for value in values)}</ol>"


def table(rows: Iterable[tuple[str, object]]) -> str:
    """Names and values."""
    cells = (f"<tr><td class=note>{text(n)}</td><td>{text(v)}</td></tr>" for n, v in rows)
    return f"<table>{''.join(cells)}</table>"


def figure(picture: bytes, kind: str, alternative: str, caption: str = "") -> str:
    """A picture (`kind`: png or jpeg) with its caption."""
    below = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    return f"<figure>{_image(picture, kind, alternative)}{below}</figure>"


def card(
    heading: str,
    labels: Sequence[str],
    picture: bytes,
    sound: bytes | None,
    playhead: tuple[float, float],
    note: str = "",
    number: int | None = None,
) -> str:
    """One moment: its heading and labels, its picture (JPEG), and its sound (WAV), if it has any.

    `playhead`: where the sound starts and ends in the picture, as shares of its width.
    """
    left, right = playhead
    first = f"<b>{number}</b>" if number is not None else ""
    marks = "".join(f"<span class=label>{text(label)}</span>" for label in labels)
    head = f"<i class=head data-left='{left:.4f}' data-right='{right:.4f}'></i>"
    player = f"<audio controls preload=metadata src='{_data(sound, 'audio/wav')}'></audio>"
    return (
        f"<article><h3>{first}{text(heading)}{marks}</h3>"
        f"<div class=picture>{_image(picture, 'jpeg', heading)}{head if sound else ''}</div>"
        f"{player if sound else ''}{paragraph(note, note=True) if note else ''}</article>"
    )


def grid(cards: Iterable[str]) -> str:
    """Cards side by side."""
    return f"<div class=grid>{''.join(cards)}</div>"


def _image(picture: bytes, kind: str, alternative: str) -> str:
    return f"<img alt='{text(alternative)}' src='{_data(picture, f'image/{kind}')}'>"


def _data(content: bytes | None, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content or b'').decode()}"
