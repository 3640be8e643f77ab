# Is a figure that gnuplot or core/report/plot.c wrote as SVG fit for a paper?
# awk -f tests/figures.awk FILE.svg
# awk -v graph=1 -f tests/figures.awk FILE.svg      of nodes and edges: no panel, no series; texts only
#
# Prints a line for each fault and exits with 1 if there is one:
#
#   clipped   a text, or a sample of a key, leaves the canvas
#   unnamed   a series is drawn whose line (colour, dashes) or marker (colour, shape) no key shows
#   twice     two entries of a panel's key look the same
#   covered   an entry of a key lies over data
#   crossed   two texts lie over each other
#   axis      a panel's axis with tics has no label, or one that does not end with a unit in brackets
#
# How large a text is drawn depends on the fonts of the reader. The box of a text is a glyph of
# GLYPH times the font size for each character, from 0.8 above to 0.25 below its baseline: lower-case
# letters of DejaVu Sans, which stands in where Arial is missing and is wider, are 0.6 wide on
# average. Two texts are crossed if boxes of Arial's 0.5 would be.
#
# gnuplot writes a group `gnuplot_plot_N` for each series, with its panel's letter behind N in a
# multiplot; plot.c writes groups of the class `series` in a single panel. The key's text stands in the group, the key's sample beside that text; all other lines
# and markers of the group are data. Filled areas are not looked at: they lie below lines.
# A panel is a border, the only path outside of such groups that turns a corner.
BEGIN {
    RS = "<"
    GLYPH = 0.6
    NARROW = 0.5
    SAMPLE = 60 # pixels beside a key's text in which its sample lies
    UNITS = "s|ms|vCPU|pods|requests|requests/s|attempts/s|MB|thousands|periods|ratio|share|name|" \
        "clusters|trajectories|changes|x nominal|per step|ranks"
}

function attribute(name,    text) { # of the tag at hand
    text = $0
    if (!match(text, "[ \n\t]" name " *= *['\"][^'\"]*['\"]")) return ""
    text = substr(text, RSTART, RLENGTH)
    sub(/^[^'"]*['"]/, "", text)
    sub(/['"]$/, "", text)
    return text
}

function fault(kind, what) {
    printf "%s: %s: %s\n", FILENAME, kind, what
    faults++
}

function after_tag(    text) {
    text = $0
    sub(/^[^>]*>/, "", text)
    gsub(/[\n\t]/, "", text)
    return text
}

function glyphs(text) {
    gsub(/&[a-z]+;/, "x", text)
    gsub(/[\200-\277]/, "", text) # all but the first byte of a character
    return length(text)
}

# ---- what is read ----

function add_text(    text, radians, width, k, c, s, dx, dy, x, y) {
    text = words
    gsub(/^ +| +$/, "", text)
    if (text == "") return
    n_texts++
    body[n_texts] = text
    text_x[n_texts] = at_x
    text_y[n_texts] = at_y
    angle[n_texts] = turn
    size[n_texts] = font
    anchored[n_texts] = anchor
    series_of[n_texts] = series
    if (series) key_text[series] = n_texts
    radians = turn * atan2(0, -1) / 180
    c = cos(radians)
    s = sin(radians)
    for (k = 0; k < 8; k++) { # corners of the wide box, then of the narrow one
        width = glyphs(text) * font * (k < 4 ? GLYPH : NARROW)
        dx = (k % 2) * width - (anchor == "middle" ? width / 2 : anchor == "end" ? width : 0)
        dy = (int(k / 2) % 2 ? 0.25 : -0.8) * font
        x = at_x + dx * c - dy * s
        y = at_y + dx * s + dy * c
        widen(k < 4 ? "wide" : "narrow", n_texts, x, y)
    }
}

function widen(kind, i, x, y) {
    if (!((kind, i) in left) || x < left[kind, i]) left[kind, i] = x
    if (!((kind, i) in right) || x > right[kind, i]) right[kind, i] = x
    if (!((kind, i) in top) || y < top[kind, i]) top[kind, i] = y
    if (!((kind, i) in bottom) || y > bottom[kind, i]) bottom[kind, i] = y
}

# Pieces of lines of a series, or a border.
function add_path(stroke, dashes, d,    n, i, parts, corner, x, y, last_x, last_y, first) {
    gsub(/[\n\t]/, " ", d)
    n = split(d, parts, / +/)
    first = n_lines + 1
    for (i = 1; i <= n; i++) {
        if (parts[i] !~ /^[ML]/) continue
        split(substr(parts[i], 2), corner, ",")
        x = corner[1] + 0
        y = corner[2] + 0
        if (parts[i] ~ /^M/) {
            finish_border(first)
            first = n_lines + 1
        } else {
            n_lines++
            line_x[n_lines] = last_x; line_y[n_lines] = last_y
            line_X[n_lines] = x; line_Y[n_lines] = y
            line_series[n_lines] = series
            line_style[n_lines] = stroke "|" dashes
        }
        last_x = x
        last_y = y
    }
    finish_border(first)
    if (!series) n_lines = first - 1
}

# The left side down, then the bottom to the right; or a whole rectangle.
function finish_border(first,    i, x, y, X, Y) {
    if (series) return
    if (n_lines - first >= 1 && line_x[first] == line_X[first] && line_y[first + 1] == line_Y[first + 1]) {
        x = line_x[first]; X = line_X[first + 1]
        y = line_y[first]; Y = line_Y[first]
        if (X - x > 40 && Y - y > 40 && !((x, y, X, Y) in known)) {
            known[x, y, X, Y] = 1
            n_panels++
            panel_x[n_panels] = x; panel_X[n_panels] = X
            panel_y[n_panels] = y; panel_Y[n_panels] = Y
        }
    }
    n_lines = first - 1
}

function numbers(text, out) {
    gsub(/[^-0-9.]+/, " ", text)
    sub(/^ /, "", text)
    return split(text, out, " ")
}

/^defs/ { in_defs = 1 }
/^\/defs/ { in_defs = 0 }
in_defs { next }
/^svg/ { canvas_width = attribute("width") + 0; canvas_height = attribute("height") + 0 }
/^g[ >]/ {
    depth++
    if ($0 ~ /id="gnuplot_plot_/ || attribute("class") == "series") {
        series = ++n_series
        series_depth = depth
        panel[series] = attribute("id")
        sub(/^gnuplot_plot_[0-9]*/, "", panel[series])
    }
    if (attribute("font-size") != "") {
        n = numbers(attribute("transform"), place)
        at_x = place[1]; at_y = place[2]; turn = n > 2 ? place[3] % 360 : 0
        if (turn > 180) turn -= 360
        font = attribute("font-size") + 0
        anchor = attribute("text-anchor")
    }
    if (attribute("color") != "") group_colour = attribute("color")
}
/^\/g>/ {
    if (series && depth == series_depth) series = 0
    depth--
}
/^title/ { if (series) name[series] = after_tag() }
/^text/ {
    words = after_tag()
    in_text = 1
    if (graph) {
        at_x = attribute("x") + 0; at_y = attribute("y") + 0; turn = 0
        font = attribute("font-size") + 0
        anchor = attribute("text-anchor")
    }
}
/^tspan|^\/tspan/ { if (in_text) words = words after_tag() }
/^\/text/ { add_text(); in_text = 0 }
/^path/ && !/class="(gridline|band)"/ {
    add_path(attribute("stroke") == "" ? group_colour : attribute("stroke"),
        attribute("stroke-dasharray"), attribute("d"))
}
/^use/ && series {
    numbers(attribute("transform"), place)
    n_markers++
    marker_x[n_markers] = place[1]
    marker_y[n_markers] = place[2]
    marker_series[n_markers] = series
    marker_style[n_markers] = attribute("color") "|" attribute("xlink:href")
}

# ---- what is judged ----

# Within the sample's box beside the text of a key.
function is_sample(s, x, y,    i) {
    if (!(s in key_text)) return 0
    i = key_text[s]
    return y > top["wide", i] - 1 && y < bottom["wide", i] + 1 &&
        x > text_x[i] - (anchored[i] == "start" ? SAMPLE : 0) &&
        x < text_x[i] + (anchored[i] == "end" ? SAMPLE : 0)
}

function count_series(s) {
    if (!(s in counted)) drawn[panel[s]]++
    counted[s] = 1
}

function titled(s) { return name[s] !~ /^gnuplot_plot/ }
function name_of(s) { return titled(s) ? "'" name[s] "'" : "a series without a name" }

function judge_canvas(    i) {
    for (i = 1; i <= n_texts; i++) {
        if (left["wide", i] < 0 || top["wide", i] < 0 || right["wide", i] > canvas_width ||
            bottom["wide", i] > canvas_height) {
            fault("clipped", sprintf("'%s' reaches from %.0f,%.0f to %.0f,%.0f of %d x %d", body[i],
                left["wide", i], top["wide", i], right["wide", i], bottom["wide", i],
                canvas_width, canvas_height))
        }
    }
    for (i = 1; i <= n_lines; i++) {
        if (line_x[i] < 0 || line_X[i] < 0 || line_x[i] > canvas_width || line_X[i] > canvas_width) {
            fault("clipped", sprintf("a line of %s from %.0f,%.0f to %.0f,%.0f",
                name_of(line_series[i]), line_x[i], line_y[i], line_X[i], line_Y[i]))
        }
    }
}

# Lines and markers are samples or data.
function sort_out(    i) {
    for (i = 1; i <= n_lines; i++) {
        line_sample[i] = is_sample(line_series[i], line_x[i], line_y[i]) &&
            is_sample(line_series[i], line_X[i], line_Y[i])
        if (line_sample[i]) { shown["line", line_style[i]] = 1; look[line_series[i]] = line_style[i] }
    }
    for (i = 1; i <= n_markers; i++) {
        marker_sample[i] = is_sample(marker_series[i], marker_x[i], marker_y[i])
        if (marker_sample[i]) {
            shown["marker", marker_style[i]] = 1
            look[marker_series[i]] = look[marker_series[i]] " " marker_style[i]
        }
    }
}

# A panel's only series is what the label of its y axis says.
function alone(s) { return drawn[panel[s]] == 1 && !(s in key_text) }

function judge_key(    i, s, what, other, blamed) {
    for (i = 1; i <= n_lines; i++) if (!line_sample[i]) count_series(line_series[i])
    for (i = 1; i <= n_markers; i++) if (!marker_sample[i]) count_series(marker_series[i])
    for (i = 1; i <= n_lines; i++) {
        s = line_series[i]
        if (!line_sample[i] && !alone(s) && !(("line", line_style[i]) in shown) && !blamed[s]++) {
            fault("unnamed", "no key shows the line of " name_of(s) ", " line_style[i])
        }
    }
    for (i = 1; i <= n_markers; i++) {
        s = marker_series[i]
        if (!marker_sample[i] && !alone(s) && !(("marker", marker_style[i]) in shown) && !blamed[s]++) {
            fault("unnamed", "no key shows the markers of " name_of(s) ", " marker_style[i])
        }
    }
    for (s in key_text) has_key[panel[s]] = 1
    for (s = 1; s <= n_series; s++) { # gnuplot drops entries that do not fit
        if (has_key[panel[s]] && titled(s) && !(s in key_text) && !blamed[s]++) {
            fault("unnamed", "the key of its panel leaves out " name_of(s))
        }
    }
    for (s in look) {
        what = panel[s] " " look[s]
        if (what in other) {
            fault("twice", name_of(other[what]) " and " name_of(s) " look the same: " look[s])
        }
        other[what] = s
    }
}

# The part of a line from FROM to TO that lies on one side: where p t <= q. (Liang and Barsky)
function clip(p, q) {
    if (p < 0 && q / p > clip_from) clip_from = q / p
    if (p > 0 && q / p < clip_to) clip_to = q / p
    if (p == 0 && q < 0) clip_to = -1
}

# Does the piece of a line cross the box of text i?
function crosses(i, x, y, X, Y) {
    clip_from = 0
    clip_to = 1
    clip(x - X, x - left["narrow", i])
    clip(X - x, right["narrow", i] - x)
    clip(y - Y, y - top["narrow", i])
    clip(Y - y, bottom["narrow", i] - y)
    return clip_from <= clip_to
}

function judge_cover(    s, i, k, hit) {
    for (s in key_text) {
        i = key_text[s]
        hit = 0
        for (k = 1; k <= n_lines && !hit; k++) {
            hit = !line_sample[k] && crosses(i, line_x[k], line_y[k], line_X[k], line_Y[k])
        }
        for (k = 1; k <= n_markers && !hit; k++) {
            hit = !marker_sample[k] &&
                crosses(i, marker_x[k], marker_y[k], marker_x[k], marker_y[k])
        }
        if (hit) fault("covered", "the key's '" body[i] "' lies over data")
    }
}

function upright(i) { return angle[i] % 90 == 0 }

function judge_texts(    i, k) {
    for (i = 1; i <= n_texts; i++) {
        for (k = i + 1; k <= n_texts; k++) {
            if (upright(i) && upright(k) &&
                left["narrow", i] < right["narrow", k] && left["narrow", k] < right["narrow", i] &&
                top["narrow", i] + 0.1 * size[i] < bottom["narrow", k] - 0.25 * size[k] &&
                top["narrow", k] + 0.1 * size[k] < bottom["narrow", i] - 0.25 * size[i]) {
                fault("crossed", "'" body[i] "' and '" body[k] "'")
            }
        }
    }
}

# Tics of a panel, as text: empty if it shows none.
function tics(axis, p,    i, all) {
    all = ""
    for (i = 1; i <= n_texts; i++) {
        if (series_of[i] || angle[i] == -90) continue
        if (axis == "y" && anchored[i] == "end" && angle[i] == 0 && text_x[i] < panel_x[p] &&
            text_x[i] > panel_x[p] - 30 && text_y[i] > panel_y[p] - 5 &&
            text_y[i] < panel_Y[p] + size[i]) all = all "," body[i]
        if (axis == "x" && text_y[i] > panel_Y[p] && text_y[i] < panel_Y[p] + 35 &&
            text_x[i] > panel_x[p] - 5 && text_x[i] < panel_X[p] + 5 &&
            body[i] ~ /^[-+0-9.]+$/) all = all "," body[i]
    }
    return all
}

# The nearest text where a label of the axis stands, 0: none.
function label(axis, p,    i, q, gap, best, found, middle) {
    found = 0
    for (i = 1; i <= n_texts; i++) {
        if (series_of[i] || anchored[i] != "middle" || body[i] !~ /[A-Za-z]/) continue
        if (axis == "y") {
            gap = panel_x[p] - text_x[i]
            middle = angle[i] == -90 && text_y[i] > panel_y[p] && text_y[i] < panel_Y[p]
            for (q = 1; q <= n_panels; q++) {
                if (panel_y[q] == panel_y[p] && panel_X[q] > text_x[i] && panel_X[q] < panel_x[p]) middle = 0
            }
        } else {
            gap = text_y[i] - panel_Y[p]
            middle = angle[i] == 0 && text_x[i] - (panel_x[p] + panel_X[p]) / 2 < 3 &&
                (panel_x[p] + panel_X[p]) / 2 - text_x[i] < 3
            for (q = 1; q <= n_panels; q++) {
                if (panel_x[q] == panel_x[p] && panel_y[q] > panel_Y[p] && panel_y[q] < text_y[i]) middle = 0
            }
        }
        if (middle && gap > 0 && (!found || gap < best)) { found = i; best = gap }
    }
    return found
}

# The panel may borrow the label of another in its row or column that has the same tics.
function judge_axis(axis, p,    q, i, own, row, any) {
    own = tics(axis, p)
    i = label(axis, p)
    for (q = 1; q <= n_panels && !i; q++) {
        row = axis == "y" ? panel_y[q] == panel_y[p] : panel_x[q] == panel_x[p] && panel_X[q] == panel_X[p]
        if (q != p && row && (own == "" || own == tics(axis, q))) i = label(axis, q)
    }
    if (!i) {
        fault("axis", sprintf("the panel at %.0f,%.0f has no %s label", panel_x[p], panel_y[p], axis))
    } else if (body[i] !~ ("\\((" UNITS ")\\)$") && !(i in scolded)) {
        scolded[i] = 1
        fault("axis", "'" body[i] "' does not end with a unit in brackets: " UNITS)
    }
}

END {
    sort_out()
    judge_canvas()
    judge_key()
    judge_cover()
    judge_texts()
    for (p = 1; p <= n_panels; p++) {
        judge_axis("x", p)
        judge_axis("y", p)
    }
    if (!n_panels && !graph) fault("axis", "no panel: is this a figure of gnuplot?")
    if (!n_lines && !n_markers && !graph) fault("unnamed", "nothing is drawn")
    exit faults > 0
}
