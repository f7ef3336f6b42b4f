#!/usr/bin/env python3
"""Draws what a terminal shows as two pictures, for light and for dark pages.

    tmux capture-pane -e -p -t NAME | docs/pictures/terminal.py "ringpost top" docs/pictures/top

writes docs/pictures/top-light.svg and docs/pictures/top-dark.svg. Read are text and the colours and weights of ECMA-48 (SGR), as
`tmux capture-pane -e` writes them. Every character has its own place, so that boxes fit whatever font a page has.
"""
import html
import re
import sys
import unicodedata

WIDTH, HEIGHT, SIZE, EDGE, BAR = 7.8, 17, 13, 14, 30
# Background, text, the bar's text, the edge, and the sixteen colours of a terminal.
PALETTES = {
    "light": ("#ffffff", "#24292f", "#57606a", "#d0d7de", """#24292f #cf222e #116329 #7d4e00 #0969da #8250df #1b7c83 #57606a
              #57606a #a40e26 #1a7f37 #633c01 #218bff #a475f9 #3192aa #24292f""".split()),
    "dark": ("#0d1117", "#e6edf3", "#8b949e", "#30363d", """#6e7681 #ff7b72 #3fb950 #d29922 #58a6ff #bc8cff #39c5cf #b1bac4
             #8b949e #ffa198 #56d364 #e3b341 #79c0ff #d2a8ff #56d4dd #f0f6fc""".split()),
}
SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()]B|[\x0e\x0f]")


class Style:
    """The colours and weight that hold from here on; colours are numbers of the palette, `#rrggbb`, or None."""

    def __init__(self):
        self.text = self.back = None
        self.bold = self.faint = self.reverse = False

    def read(self, codes):
        codes = [int(code or 0) for code in codes.split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.__init__()
            elif code in (1, 2, 7):
                setattr(self, {1: "bold", 2: "faint", 7: "reverse"}[code], True)
            elif code == 22:
                self.bold = self.faint = False
            elif code == 27:
                self.reverse = False
            elif code in (38, 48):
                setattr(self, "text" if code == 38 else "back", wide(codes))
            elif code in (39, 49):
                setattr(self, "text" if code == 39 else "back", None)
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.text = code - 30 if code < 90 else code - 82
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self.back = code - 40 if code < 100 else code - 92


def wide(codes):
    """A colour of 256, or of three octets."""
    if codes and codes.pop(0) == 2:
        return "#{:02x}{:02x}{:02x}".format(*(codes.pop(0) for _ in range(3)))
    number = codes.pop(0)
    if number < 16:
        return number
    if number >= 232:
        return "#{0:02x}{0:02x}{0:02x}".format(8 + 10 * (number - 232))
    number -= 16
    return "#{:02x}{:02x}{:02x}".format(*(step and 55 + 40 * step for step in (number // 36, number // 6 % 6, number % 6)))


def cells(line, style):
    """Each character with its column, text colour, background, weight."""
    column, at = 0, 0
    while at < len(line):
        found = SEQUENCE.match(line, at)
        if found:
            if found[1] is not None:
                style.read(found[1])
            at = found.end()
            continue
        text, back = (style.back, style.text) if style.reverse else (style.text, style.back)
        yield column, line[at], text, back, style.bold, style.faint, style.reverse
        column += 2 if unicodedata.east_asian_width(line[at]) in "WF" else 1
        at += 1


def draw(title, lines, palette):
    paper, ink, quiet, edge, colours = PALETTES[palette]

    def colour(value, otherwise):
        return otherwise if value is None else colours[value] if isinstance(value, int) else value
    style, backs, texts, widest = Style(), [], [], 0
    for row, line in enumerate(lines):
        y = BAR + EDGE + row * HEIGHT
        runs = []
        for column, character, text, back, bold, faint, reverse in cells(line, style):
            widest = max(widest, column + 1)
            x = EDGE + column * WIDTH
            if back is not None or reverse:
                backs.append(f'<rect x="{x:.1f}" y="{y}" width="{WIDTH + .3:.1f}" height="{HEIGHT + .3}" fill="{colour(back, ink)}"/>')
            if character == " ":
                continue
            look = (colour(text, paper if reverse else ink), bold, faint)
            if not runs or runs[-1][0] != look:
                runs.append((look, [], []))
            runs[-1][1].append(f"{x:.1f}")
            runs[-1][2].append(character)
        for (fill, bold, faint), places, characters in runs:
            more = ' font-weight="600"' * bold + ' opacity=".65"' * faint
            texts.append(f'<text y="{y + SIZE}" x="{" ".join(places)}" fill="{fill}"{more}>{html.escape("".join(characters))}</text>')
    width, height = 2 * EDGE + widest * WIDTH, BAR + 2 * EDGE + len(lines) * HEIGHT
    return f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" role="img">
<title>{html.escape(title)}</title>
<rect x=".5" y=".5" width="{width - 1:.0f}" height="{height - 1}" rx="8" fill="{paper}" stroke="{edge}"/>
<g fill="{edge}"><circle cx="18" cy="16" r="5"/><circle cx="36" cy="16" r="5"/><circle cx="54" cy="16" r="5"/></g>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="{SIZE}" xml:space="preserve">
<text x="{width / 2:.0f}" y="20" fill="{quiet}" text-anchor="middle">{html.escape(title)}</text>
{chr(10).join(backs + texts)}
</g>
</svg>
'''


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    title, path = sys.argv[1:]
    lines = sys.stdin.read().rstrip("\n").split("\n")
    for palette in PALETTES:
        with open(f"{path}-{palette}.svg", "w", encoding="utf-8") as file:
            file.write(draw(title, lines, palette))


if __name__ == "__main__":
    main()
