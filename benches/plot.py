"""Lines over time as an SVG page of panels, with spans marked in all of them. No library."""
import html

WIDTH, LEFT, RIGHT, TOP, PANEL, GAP = 1200, 80, 20, 60, 170, 40
COLOURS = ("#c0392b", "#e67e22", "#f1c40f", "#16a085", "#2980b9", "#8e44ad", "#7f8c8d", "#d35400", "#27ae60")


def nice(most):
    """The step of an axis, a round number, and its top, above `most`."""
    step, place = 1e-3, 0
    while step * 5 <= most:
        step *= (2, 2.5, 2)[place % 3]
        place += 1
    return step, step * (int(most / step) + 1)


def panels(path, title, seconds, lines, spans):
    """`lines`: [(title, unit, [(second, value)])], a panel each, from zero; `spans`: [(begin, end, name)], coloured by name."""
    names = sorted({name for _, _, name in spans})
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    height = TOP + len(lines) * (PANEL + GAP) + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>', f'<text x="{LEFT}" y="22" font-size="16">{html.escape(title)}</text>']
    place = LEFT
    for name in names:
        out.append(f'<rect x="{place}" y="34" width="12" height="12" fill="{colours[name]}" fill-opacity="0.5"/>'
                   f'<text x="{place + 16}" y="45">{html.escape(name)}</text>')
        place += 40 + 7 * len(name)

    def across(second):
        return LEFT + (WIDTH - LEFT - RIGHT) * second / max(seconds, 1)

    for number, (name, unit, points) in enumerate(lines):
        top = TOP + number * (PANEL + GAP) + 16
        step, most = nice(max((value for _, value in points), default=1) or 1)

        def down(value, top=top, most=most):
            return top + PANEL - PANEL * value / most
        out.append(f'<text x="{LEFT}" y="{top - 5}" font-weight="bold">{html.escape(name)}</text>')
        for begin, end, what in spans:
            out.append(f'<rect x="{across(begin):.1f}" y="{top}" width="{max(across(end) - across(begin), 1.5):.1f}" height="{PANEL}" '
                       f'fill="{colours[what]}" fill-opacity="0.35"><title>{html.escape(what)}</title></rect>')
        for tick in range(int(most / step + 1.5)):
            y = down(tick * step)
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                       f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick * step:,g}{unit}</text>')
        path_of = " ".join(f"{across(second):.1f},{down(value):.1f}" for second, value in points)
        out.append(f'<polyline points="{path_of}" fill="none" stroke="#222" stroke-width="1.2"/>')
    bottom = TOP + len(lines) * (PANEL + GAP)
    every = 60 * max(round(seconds / 60 / 12), 1)
    for minute in range(0, int(seconds) + 1, every):
        out.append(f'<text x="{across(minute):.1f}" y="{bottom + 12}" text-anchor="middle">{minute // 60} min</text>')
    out.append("</svg>")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")
