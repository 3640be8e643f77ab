/* An SVG of one panel. See plot.h.
 *
 * Coordinates are pixels of a canvas WIDTH wide; the page scales it. A value v between lo and hi
 * stands at from + (v - lo) / (hi - lo) (to - from), where y has `from` at the bottom. */
#include "core/report/plot.h"

#include "core/report/escape.h"
#include "core/report/script.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 900,
    HEIGHT = 380,
    LEFT = 72,
    TOP = 14,
    BOTTOM = 52,
    FONT = 13,
    NAME_MAX_SHOWN = 34,
    ROW = 22,
    SAMPLE = 32,
    BOXES_MAX = 512,
    TICKS = 6
};
static const double GLYPH = 0.6; /* width of a letter in units of the font size, as an average */

static const char *const dashes[PLOT_SERIES_MAX] = {"",     "7,3",     "2,3",     "9,3,2,3",
                                                    "12,4", "4,2,1,2", "1,5,6,5", "15,3,3,3"};

struct axis {
    double lo, hi;   /* of the data */
    double from, to; /* pixels */
    double step;     /* between ticks */
    int decimals;
};

static double at(const struct axis *a, double v)
{
    return a->from + (v - a->lo) / (a->hi - a->lo) * (a->to - a->from);
}

/* ---- axes ---- */

static void widen(double *lo, double *hi, const double *x, int n)
{
    for (int i = 0; x != NULL && i < n; i++) {
        if (isfinite(x[i])) {
            *lo = fmin(*lo, x[i]);
            *hi = fmax(*hi, x[i]);
        }
    }
}

/* The smallest of 1, 2 and 5 times a power of ten that makes at most TICKS steps of the span; the
 * powers are products, which have the same bits everywhere. */
static double nice_step(double span)
{
    const double least = span / TICKS;
    double power = 1.0;
    while (power > least) {
        power /= 10.0;
    }
    while (power * 10.0 <= least) {
        power *= 10.0;
    }
    return power * (power >= least         ? 1.0
                    : 2.0 * power >= least ? 2.0
                    : 5.0 * power >= least ? 5.0
                                           : 10.0);
}

/* Digits behind the point that tell ticks of this step apart. */
static int decimals_of(double step)
{
    int n = 0;
    for (double x = step; x < 1.0 - 1e-9 && n < 12; x *= 10.0) {
        n++;
    }
    return n;
}

/* Limits that are not given are those of the data, rounded outwards to ticks. */
static void set_axis(struct axis *a, double lo, double hi, double min, double max)
{
    if (!(lo <= hi)) { /* no data */
        lo = 0.0;
        hi = 1.0;
    }
    lo = isfinite(min) ? min : lo;
    hi = isfinite(max) ? max : hi;
    if (!(hi - lo > 1e-9 * fmax(fabs(lo), fabs(hi))) || hi - lo < 1e-12) {
        const double room = fmax(fabs(lo) * 0.05, 0.05);
        lo = isfinite(min) ? min : lo - room;
        hi = isfinite(max) && max > lo ? max : hi + room;
    }
    a->step = nice_step(hi - lo);
    a->lo = isfinite(min) ? min : a->step * floor(lo / a->step + 1e-9);
    a->hi = isfinite(max) ? max : a->step * ceil(hi / a->step - 1e-9);
    a->decimals = decimals_of(a->step);
}

static void set_axes(struct axis *x, struct axis *y, const struct plot *p, double right)
{
    double x_lo = HUGE_VAL, x_hi = -HUGE_VAL, y_lo = HUGE_VAL, y_hi = -HUGE_VAL;
    for (int i = 0; i < p->n_series; i++) {
        const struct plot_series *s = &p->series[i];
        widen(&x_lo, &x_hi, s->x, s->n);
        widen(&x_lo, &x_hi, s->x_lo, s->n);
        widen(&x_lo, &x_hi, s->x_hi, s->n);
        widen(&y_lo, &y_hi, s->y, s->n);
        widen(&y_lo, &y_hi, s->lo, s->n);
        widen(&y_lo, &y_hi, s->hi, s->n);
    }
    *x = (struct axis){.from = LEFT, .to = right};
    *y = (struct axis){.from = HEIGHT - BOTTOM, .to = TOP};
    set_axis(x, x_lo, x_hi, p->x_min, p->x_max);
    set_axis(y, y_lo, y_hi, p->y_min, p->y_max);
}

/* ---- text ---- */

static enum err put_text(struct buf *out, double x, double y, int turn, const char *anchor,
                         const char *text)
{
    char rotation[24] = "";
    if (turn != 0) {
        (void)snprintf(rotation, sizeof rotation, " rotate(%d)", turn);
    }
    TRY(buf_printf(out,
                   "<g transform=\"translate(%.2f,%.2f)%s\" font-size=\"%d\" text-anchor=\"%s\">"
                   "<text>",
                   x, y, rotation, FONT, anchor));
    TRY(escape_html(out, text));
    return buf_printf(out, "</text></g>\n");
}

static int n_letters(const char *s)
{
    int n = 0;
    for (; *s != '\0'; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

/* A name as it stands in the key: a long one loses its end. */
static void shorten(char *out, size_t cap, const char *name)
{
    size_t i = 0;
    int n = 0;
    const bool cut = n_letters(name) > NAME_MAX_SHOWN;
    for (; name[i] != '\0' && i + 4 < cap; i++) {
        n += ((unsigned char)name[i] & 0xc0) != 0x80;
        if (cut && n == NAME_MAX_SHOWN) {
            break;
        }
        out[i] = name[i];
    }
    (void)snprintf(out + i, cap - i, "%s", cut ? "\xe2\x80\xa6" : "");
}

/* ---- the panel ---- */

static enum err put_ticks(struct buf *out, const struct axis *x, const struct axis *y)
{
    char text[32];
    for (int k = 0; k <= 2 * TICKS + 2; k++) {
        const double v = (ceil(x->lo / x->step - 1e-9) + k) * x->step;
        if (v > x->hi + 1e-9 * x->step) {
            break;
        }
        (void)snprintf(text, sizeof text, "%.*f", x->decimals, fabs(v) < 1e-12 ? 0.0 : v);
        TRY(buf_printf(
            out, "<path class=\"gridline\" stroke=\"#dddddd\" d=\"M%.2f,%.2f L%.2f,%.2f\"/>\n",
            at(x, v), y->from, at(x, v), y->to));
        TRY(put_text(out, at(x, v), y->from + 18, 0, "middle", text));
    }
    for (int k = 0; k <= 2 * TICKS + 2; k++) {
        const double v = (ceil(y->lo / y->step - 1e-9) + k) * y->step;
        if (v > y->hi + 1e-9 * y->step) {
            break;
        }
        (void)snprintf(text, sizeof text, "%.*f", y->decimals, fabs(v) < 1e-12 ? 0.0 : v);
        TRY(buf_printf(
            out, "<path class=\"gridline\" stroke=\"#dddddd\" d=\"M%.2f,%.2f L%.2f,%.2f\"/>\n",
            x->from, at(y, v), x->to, at(y, v)));
        TRY(put_text(out, x->from - 8, at(y, v) + 4, 0, "end", text));
    }
    return buf_printf(out,
                      "<path fill=\"none\" stroke=\"#000000\" d=\"M%.2f,%.2f L%.2f,%.2f "
                      "L%.2f,%.2f\"/>\n",
                      x->from, y->to, x->from, y->from, x->to, y->from);
}

/* ---- series ---- */

static bool drawn(const struct plot_series *s, int i)
{
    return isfinite(s->x[i]) && isfinite(s->y[i]);
}

/* The band of a line, without the points at which it is not known. */
static enum err put_band(struct buf *out, const struct plot_series *s, const char *colour,
                         const struct axis *x, const struct axis *y)
{
    int n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < s->n; k++) {
            const int i = pass == 0 ? k : s->n - 1 - k;
            const double v = pass == 0 ? s->hi[i] : s->lo[i];
            if (drawn(s, i) && isfinite(s->lo[i]) && isfinite(s->hi[i])) {
                TRY(buf_printf(out, "%s%.2f,%.2f",
                               n == 0 ? "<path class=\"band\" stroke=\"none\" d=\"M" : " L",
                               at(x, s->x[i]), at(y, v)));
                n++;
            }
        }
    }
    return n == 0 ? ERR_OK : buf_printf(out, " Z\" fill=\"%s\" fill-opacity=\"0.18\"/>\n", colour);
}

static enum err put_line(struct buf *out, const struct plot_series *s, const char *colour,
                         const char *dash, const struct axis *x, const struct axis *y)
{
    bool pen = false, any = false;
    for (int i = 0; i < s->n; i++) {
        if (drawn(s, i)) {
            TRY(buf_printf(out, "%s%s%.2f,%.2f", any ? " " : "<path fill=\"none\" d=\"",
                           pen ? "L" : "M", at(x, s->x[i]), at(y, s->y[i])));
            any = true;
        }
        pen = drawn(s, i);
    }
    return any ? buf_printf(out, "\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"/>\n",
                            colour, dash[0] != '\0' ? dash : "none")
               : ERR_OK;
}

/* Square, diamond and triangles; the second four are filled with white. */
static enum err put_mark(struct buf *out, int series, const char *colour, double x, double y)
{
    static const double corners[4][8] = {{-1, -1, 1, -1, 1, 1, -1, 1},
                                         {0, -1.3, 1.3, 0, 0, 1.3, -1.3, 0},
                                         {0, -1.3, 1.2, 1, -1.2, 1, 0, -1.3},
                                         {0, 1.3, 1.2, -1, -1.2, -1, 0, 1.3}};
    const double *c = corners[series % 4], r = 4.5;
    return buf_printf(out,
                      "<path fill=\"%s\" stroke=\"%s\" stroke-width=\"1.5\" d=\"M%.2f,%.2f "
                      "L%.2f,%.2f L%.2f,%.2f L%.2f,%.2f L%.2f,%.2f\"/>\n",
                      series < 4 ? colour : "#ffffff", colour, x + r * c[0], y + r * c[1],
                      x + r * c[2], y + r * c[3], x + r * c[4], y + r * c[5], x + r * c[6],
                      y + r * c[7], x + r * c[0], y + r * c[1]);
}

static enum err put_bar(struct buf *out, const char *colour, double x, double y, double X, double Y)
{
    return buf_printf(out, "<path fill=\"none\" stroke=\"%s\" d=\"M%.2f,%.2f L%.2f,%.2f\"/>\n",
                      colour, x, y, X, Y);
}

static enum err put_points(struct buf *out, const struct plot_series *s, int series,
                           const char *colour, const struct axis *x, const struct axis *y)
{
    for (int i = 0; i < s->n; i++) {
        if (!drawn(s, i)) {
            continue;
        }
        const double px = at(x, s->x[i]), py = at(y, s->y[i]);
        if (s->lo != NULL && isfinite(s->lo[i]) && isfinite(s->hi[i])) {
            TRY(put_bar(out, colour, px, at(y, s->lo[i]), px, at(y, s->hi[i])));
        }
        if (s->x_lo != NULL && isfinite(s->x_lo[i]) && isfinite(s->x_hi[i])) {
            TRY(put_bar(out, colour, at(x, s->x_lo[i]), py, at(x, s->x_hi[i]), py));
        }
        TRY(put_mark(out, series, colour, px, py));
    }
    return ERR_OK;
}

/* ---- labels of points ---- */

/* Boxes that are taken: points and labels. */
struct boxes {
    double x[BOXES_MAX], y[BOXES_MAX], X[BOXES_MAX], Y[BOXES_MAX];
    int n;
};

static bool is_free(const struct boxes *b, double x, double y, double X, double Y)
{
    for (int i = 0; i < b->n; i++) {
        if (x < b->X[i] && b->x[i] < X && y < b->Y[i] && b->y[i] < Y) {
            return false;
        }
    }
    return b->n < BOXES_MAX;
}

static void take(struct boxes *b, double x, double y, double X, double Y)
{
    if (b->n < BOXES_MAX) {
        b->x[b->n] = x;
        b->y[b->n] = y;
        b->X[b->n] = X;
        b->Y[b->n++] = Y;
    }
}

/* Beside a point, in the first of four corners that no point and no earlier label covers; a label
 * without room is left out. */
static enum err put_label(struct buf *out, struct boxes *b, const char *text, double x, double y)
{
    const double width = GLYPH * FONT * n_letters(text), gap = 7.0;
    for (int corner = 0; corner < 4; corner++) {
        const double left = corner % 2 == 0 ? x + gap : x - gap - width;
        const double base = corner < 2 ? y - gap : y + gap + 0.8 * FONT;
        if (is_free(b, left, base - 0.8 * FONT, left + width, base + 0.25 * FONT)) {
            take(b, left, base - 0.8 * FONT, left + width, base + 0.25 * FONT);
            return put_text(out, left, base, 0, "start", text);
        }
    }
    return ERR_OK;
}

static enum err put_labels(struct buf *out, const struct plot *p, const struct axis *x,
                           const struct axis *y)
{
    struct boxes b = {.n = 0};
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < p->n_series; k++) {
            const struct plot_series *s = &p->series[k];
            for (int i = 0; s->labels != NULL && i < s->n; i++) {
                if (!drawn(s, i)) {
                    continue;
                }
                const double px = at(x, s->x[i]), py = at(y, s->y[i]);
                if (pass == 0) {
                    take(&b, px - 6, py - 6, px + 6, py + 6);
                } else {
                    TRY(put_label(out, &b, s->labels[i], px, py));
                }
            }
        }
    }
    return ERR_OK;
}

/* Data, then the entry of the key: a sample left of the name. */
static enum err put_series(struct buf *out, const struct plot *p, int i, const struct axis *x,
                           const struct axis *y)
{
    const struct plot_series *s = &p->series[i];
    const char *colour = i < SCRIPT_COLOURS ? script_colours[i] : "#000000";
    const double key_x = x->to + 16, key_y = TOP + 12 + ROW * i;
    char name[256];
    TRY(buf_printf(out, "<g class=\"series\"><title>"));
    TRY(escape_html(out, s->name));
    TRY(buf_printf(out, "</title>\n"));
    if (s->points) {
        TRY(put_points(out, s, i, colour, x, y));
        TRY(put_mark(out, i, colour, key_x + SAMPLE / 2.0, key_y - 4));
        TRY(put_bar(out, colour, key_x + 4, key_y - 4, key_x + SAMPLE - 4, key_y - 4));
    } else {
        const double sample_x[2] = {key_x, key_x + SAMPLE}, sample_y[2] = {key_y - 4, key_y - 4};
        const struct plot_series sample = {.x = sample_x, .y = sample_y, .n = 2};
        const struct axis pixels = {.lo = 0.0, .hi = 1.0, .from = 0.0, .to = 1.0};
        TRY(s->lo != NULL ? put_band(out, s, colour, x, y) : ERR_OK);
        TRY(put_line(out, s, colour, dashes[i], x, y));
        TRY(put_line(out, &sample, colour, dashes[i], &pixels, &pixels));
    }
    shorten(name, sizeof name, s->name);
    TRY(put_text(out, key_x + SAMPLE + 8, key_y, 0, "start", name));
    return buf_printf(out, "</g>\n");
}

enum err plot_svg(struct buf *out, const struct plot *p)
{
    struct axis x, y;
    int longest = 0;
    CHECK(p->n_series <= PLOT_SERIES_MAX);
    for (int i = 0; i < p->n_series; i++) {
        const int n = n_letters(p->series[i].name);
        longest = n > longest ? n : longest;
    }
    longest = longest > NAME_MAX_SHOWN ? NAME_MAX_SHOWN : longest;
    set_axes(&x, &y, p, WIDTH - 24 - SAMPLE - 8 - GLYPH * FONT * longest);
    TRY(buf_printf(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                   "height=\"%d\" role=\"img\" fill=\"#000000\" "
                   "font-family=\"Arial, Helvetica, sans-serif\">\n<title>",
                   WIDTH, HEIGHT, WIDTH, HEIGHT));
    TRY(escape_html(out, p->title));
    TRY(buf_printf(out, "</title>\n"));
    TRY(put_ticks(out, &x, &y));
    for (int i = 0; i < p->n_series; i++) {
        TRY(put_series(out, p, i, &x, &y));
    }
    TRY(put_labels(out, p, &x, &y));
    TRY(put_text(out, (x.from + x.to) / 2, HEIGHT - 12, 0, "middle", p->x_label));
    TRY(put_text(out, 18, (y.from + y.to) / 2, -90, "middle", p->y_label));
    return buf_printf(out, "</svg>\n");
}
