/* The relations that were found as pictures. Agents stand on a circle, so that each pair has a
 * straight line of its own. See relations.h. */
#include "core/analysis/relations.h"

#include "core/base/fmath.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Graphviz ---- */

/* Names are in quotes; a quote or a backslash inside is escaped. */
static enum err put_quoted(struct buf *out, const char *text)
{
    TRY(buf_append(out, "\"", 1));
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            TRY(buf_append(out, "\\", 1));
        }
        TRY(buf_append(out, text, 1));
    }
    return buf_append(out, "\"", 1);
}

static enum err put_edge(struct buf *out, const char *from, const char *to, const char *style)
{
    TRY(buf_append(out, "    ", 4));
    TRY(put_quoted(out, from));
    TRY(buf_append(out, " -> ", 4));
    TRY(put_quoted(out, to));
    return buf_printf(out, " [%s];\n", style);
}

static enum err put_pair(struct buf *out, const struct relations *r, const char *const *agents,
                         int i, int j)
{
    const struct relation *leads = relation_at(r, r->authority, i, j);
    char style[120];
    if (leads->found) {
        (void)snprintf(style, sizeof style,
                       "color=\"#D55E00\", penwidth=2, label=\"%.2f [%.2f, %.2f]\"",
                       leads->strength, leads->lo, leads->hi);
        TRY(put_edge(out, agents[i], agents[j], style));
    }
    if (i < j && relation_at(r, r->communication, i, j)->found) {
        TRY(put_edge(out, agents[i], agents[j], "color=\"#0072B2\", style=dashed, dir=none"));
    }
    if (i < j && relation_at(r, r->acquaintance, i, j)->found) {
        TRY(put_edge(out, agents[i], agents[j], "color=\"#666666\", style=dotted, dir=none"));
    }
    return ERR_OK;
}

enum err relations_dot(struct buf *out, const struct relations *r, const char *const *agents,
                       const char *title)
{
    TRY(buf_printf(out, "digraph relations {\n    label="));
    TRY(put_quoted(out, title));
    TRY(buf_printf(out, ";\n    labelloc=t;\n    node [shape=box, style=rounded];\n"
                        "    // solid arrow: authority (effect and its interval); dashed: "
                        "communication; dotted: acquaintance\n"));
    for (int i = 0; i < r->n_agents; i++) {
        TRY(buf_append(out, "    ", 4));
        TRY(put_quoted(out, agents[i]));
        TRY(buf_append(out, ";\n", 2));
    }
    for (int i = 0; i < r->n_agents; i++) {
        for (int j = 0; j < r->n_agents; j++) {
            if (i != j) {
                TRY(put_pair(out, r, agents, i, j));
            }
        }
    }
    return buf_printf(out, "}\n");
}

/* ---- SVG ---- */

enum { WIDTH = 760, HEIGHT = 620, CENTRE_X = 380, CENTRE_Y = 310, RADIUS = 215, FONT = 14 };
static const double glyph = 0.62; /* width of a character as a share of the font's size */

struct place {
    double x, y, half_width, half_height; /* of the box of an agent */
};

static int characters(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xC0U) != 0x80U; /* all but the later bytes of a character */
    }
    return n;
}

/* The first agent stands on top. Long names keep their box inside the canvas. */
static struct place place_of(const struct relations *r, const char *const *agents, int i)
{
    const double turn = 2.0 * 3.14159265358979323846 * i / r->n_agents;
    struct place p = {CENTRE_X + RADIUS * fm_sin(turn), CENTRE_Y - RADIUS * fm_cos(turn),
                      characters(agents[i]) * FONT * glyph / 2.0 + 12.0, 17.0};
    p.x = fm_min(fm_max(p.x, p.half_width + 4.0), WIDTH - p.half_width - 4.0);
    return p;
}

/* Where the ray from the middle of a box in direction (dx, dy) leaves it, plus a margin. */
static double to_border(const struct place *p, double dx, double dy)
{
    const double margin = 4.0;
    const double across = fabs(dx) > 1e-9 ? p->half_width / fabs(dx) : INFINITY;
    const double up = fabs(dy) > 1e-9 ? p->half_height / fabs(dy) : INFINITY;
    return fm_min(across, up) + margin;
}

/* A line of a pair; lines of other kinds run beside it, `aside` pixels apart. */
static enum err put_line(struct buf *out, const struct place *from, const struct place *to,
                         double aside, const char *style, const char *label)
{
    const double dx = to->x - from->x, dy = to->y - from->y;
    const double length = sqrt(dx * dx + dy * dy), ux = dx / length, uy = dy / length;
    const double begin = to_border(from, ux, uy), end = length - to_border(to, ux, uy);
    const double ox = -uy * aside, oy = ux * aside;
    TRY(buf_printf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n",
                   from->x + ux * begin + ox, from->y + uy * begin + oy, from->x + ux * end + ox,
                   from->y + uy * end + oy, style));
    if (label == NULL) {
        return ERR_OK;
    }
    const double at = begin + 0.3 * (end - begin);
    return buf_printf(out,
                      "<text x=\"%.1f\" y=\"%.1f\" font-size=\"12\" text-anchor=\"middle\" "
                      "fill=\"#D55E00\" stroke=\"white\" stroke-width=\"4\" "
                      "paint-order=\"stroke\">%s</text>\n",
                      from->x + ux * at, from->y + uy * at + 4.0, label);
}

static const char authority_style[] =
    "stroke=\"#D55E00\" stroke-width=\"2.5\" marker-end=\"url(#arrow)\"";
static const char communication_style[] =
    "stroke=\"#0072B2\" stroke-width=\"2\" stroke-dasharray=\"9,5\"";
static const char acquaintance_style[] =
    "stroke=\"#666666\" stroke-width=\"2\" stroke-dasharray=\"2,4\"";

static enum err put_lines(struct buf *out, const struct relations *r, const char *const *agents,
                          int i, int j)
{
    const struct place a = place_of(r, agents, i), b = place_of(r, agents, j);
    const struct relation *leads = relation_at(r, r->authority, i, j);
    char label[32];
    if (leads->found) {
        (void)snprintf(label, sizeof label, "%.2f [%.2f, %.2f]", leads->strength, leads->lo,
                       leads->hi);
        TRY(put_line(out, &a, &b, 0.0, authority_style, label));
    }
    if (i < j && relation_at(r, r->communication, i, j)->found) {
        TRY(put_line(out, &a, &b, 8.0, communication_style, NULL));
    }
    if (i < j && relation_at(r, r->acquaintance, i, j)->found) {
        TRY(put_line(out, &a, &b, -8.0, acquaintance_style, NULL));
    }
    return ERR_OK;
}

static enum err put_text(struct buf *out, double x, double y, const char *anchor, const char *text)
{
    TRY(buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" text-anchor=\"%s\">", x, y,
                   FONT, anchor));
    for (; *text != '\0'; text++) {
        const char *safe = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : NULL;
        TRY(safe != NULL ? buf_append(out, safe, strlen(safe)) : buf_append(out, text, 1));
    }
    return buf_printf(out, "</text>\n");
}

static enum err put_key(struct buf *out)
{
    static const struct {
        const char *style, *text;
    } rows[] = {{authority_style, "authority: share of changed choices, 95 % interval"},
                {communication_style, "communication"},
                {acquaintance_style, "acquaintance"}};
    for (int i = 0; i < 3; i++) { /* one below the other */
        const int y = HEIGHT - 50 + 18 * i;
        TRY(buf_printf(out, "<line x1=\"14\" y1=\"%d\" x2=\"50\" y2=\"%d\" %s/>\n", y, y,
                       rows[i].style));
        TRY(put_text(out, 58.0, y + 5, "start", rows[i].text));
    }
    return ERR_OK;
}

enum err relations_svg(struct buf *out, const struct relations *r, const char *const *agents,
                       const char *title)
{
    TRY(buf_printf(out,
                   "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                   "<svg width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
                   "xmlns=\"http://www.w3.org/2000/svg\" font-family=\"Arial, sans-serif\">\n"
                   "<defs><marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" "
                   "markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\">"
                   "<path d=\"M 0 0 L 10 5 L 0 10 z\" fill=\"#D55E00\"/></marker></defs>\n"
                   "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n",
                   WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT));
    TRY(put_text(out, CENTRE_X, 28.0, "middle", title));
    for (int i = 0; i < r->n_agents; i++) {
        for (int j = 0; j < r->n_agents; j++) {
            if (i != j) {
                TRY(put_lines(out, r, agents, i, j));
            }
        }
    }
    for (int i = 0; i < r->n_agents; i++) {
        const struct place p = place_of(r, agents, i);
        TRY(buf_printf(out,
                       "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"9\" "
                       "fill=\"#F4F4F4\" stroke=\"#333333\"/>\n",
                       p.x - p.half_width, p.y - p.half_height, 2.0 * p.half_width,
                       2.0 * p.half_height));
        TRY(put_text(out, p.x, p.y + 5.0, "middle", agents[i]));
    }
    TRY(put_key(out));
    return buf_printf(out, "</svg>\n");
}
