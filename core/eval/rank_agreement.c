/* Two files become two tables, controllers x episodes; see rank_agreement.h. */
#include "core/eval/rank_agreement.h"

#include "core/base/csv_read.h"
#include "core/base/log.h"
#include "core/eval/old_columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 64, LEAST_CONTROLLERS = 3 };

/* One row of a file: what is compared, and of whom. */
struct score {
    const char *controller, *episode; /* "scenario number" */
    double value;
};
struct score_table {
    struct score *cells;         /* (n) in the order of the file */
    const struct score **sorted; /* (n) by controller and episode; the first of equal ones first */
    int n;
};

/* ---- reading ---- */

static int column_of(const char *const *head, int n, const char *name)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(head[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Columns in the first line: their number is not known before. Names of columns hold no comma, so
 * commas are counted without regard to quotes. */
static int count_columns(const struct csv_reader *r)
{
    int n = 1;
    for (size_t i = 0; i < r->text.len && r->text.data[i] != '\n'; i++) {
        n += r->text.data[i] == ',';
    }
    return n < COLUMNS_MAX ? n : COLUMNS_MAX;
}

/* Room for the rows: no row is shorter than a line. */
static int count_lines(const struct csv_reader *r)
{
    int n = 0;
    for (size_t i = 0; i < r->text.len; i++) {
        n += r->text.data[i] == '\n';
    }
    return n;
}

static enum err read_rows(struct score_table *s, struct csv_reader *r, struct arena *arena,
                          const char *metric)
{
    const char *cells[COLUMNS_MAX];
    enum csv_status status;
    const int n_columns = count_columns(r);
    s->cells = ARENA_NEW(arena, count_lines(r), struct score);
    TRY(arena_error(arena));
    TRY(csv_reader_next(r, cells, n_columns, &status));
    const int n_known = status == CSV_ROW ? n_columns : 0; /* else there are no cells */
    const int who = column_of(cells, n_known, "controller");
    const int scenario = column_of(cells, n_known, "scenario");
    const int episode = column_of(cells, n_known, "episode");
    const int value = column_of(cells, n_known, metric);
    const char *old = old_column_name(metric);
    if (value < 0 && old != NULL && column_of(cells, n_known, old) >= 0) {
        log_error("%s: the column '%s' is called '%s' now; write the new name into the first line, "
                  "or measure anew",
                  r->path, old, metric);
        return ERR_FORMAT;
    }
    if (who < 0 || scenario < 0 || episode < 0 || value < 0) {
        log_error("%s: no eval.csv with the columns controller, scenario, episode and %s", r->path,
                  metric);
        return ERR_FORMAT;
    }
    TRY(csv_reader_next(r, cells, n_columns, &status));
    while (status == CSV_ROW) {
        struct score *c = &s->cells[s->n++];
        *c = (struct score){.controller = arena_strdup(arena, cells[who]),
                            .episode =
                                arena_printf(arena, "%s %s", cells[scenario], cells[episode])};
        TRY(csv_reader_number(&c->value, r, cells[value], metric));
        TRY(arena_error(arena));
        TRY(csv_reader_next(r, cells, n_columns, &status));
    }
    return ERR_OK;
}

static int by_key(const struct score *a, const struct score *b)
{
    const int who = strcmp(a->controller, b->controller);
    return who != 0 ? who : strcmp(a->episode, b->episode);
}

/* Pointers into one array compare as positions in the file, so the order is total and the result of
 * qsort(), which is not stable, is determined. */
static int by_key_and_position(const void *a, const void *b)
{
    const struct score *x = *(const struct score *const *)a, *y = *(const struct score *const *)b;
    const int key = by_key(x, y);
    return key != 0 ? key : (x > y) - (x < y);
}

static enum err sort_rows(struct score_table *s, struct arena *arena)
{
    s->sorted = ARENA_NEW(arena, s->n, const struct score *);
    TRY(arena_error(arena));
    for (int i = 0; i < s->n; i++) {
        s->sorted[i] = &s->cells[i];
    }
    qsort(s->sorted, (size_t)s->n, sizeof *s->sorted, by_key_and_position);
    return ERR_OK;
}

static enum err read_scores(struct score_table *s, struct arena *arena, const char *path,
                            const char *metric)
{
    struct csv_reader r;
    TRY(csv_reader_open(&r, path));
    enum err e = read_rows(s, &r, arena, metric);
    e = e == ERR_OK ? sort_rows(s, arena) : e;
    csv_reader_close(&r);
    return e;
}

/* ---- what both have ---- */

struct common {
    const char **episodes; /* (n_episodes) */
    double *a, *b;         /* (n_controllers, n_episodes) */
    int n_controllers, n_episodes;
};

/* The first row that is not before (controller, episode), NULL if there is none. Invariant of the
 * bisection: rows below lo are before the key, rows from hi on are not. */
static const struct score *at_or_behind(const struct score_table *s, const char *controller,
                                        const char *episode)
{
    const struct score key = {.controller = controller, .episode = episode};
    int lo = 0, hi = s->n;
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        const bool before = by_key(s->sorted[mid], &key) < 0;
        lo = before ? mid + 1 : lo;
        hi = before ? hi : mid;
    }
    return lo < s->n ? s->sorted[lo] : NULL;
}

static const struct score *find(const struct score_table *s, const char *controller,
                                const char *episode)
{
    const struct score *c = at_or_behind(s, controller, episode);
    const bool is =
        c != NULL && strcmp(c->controller, controller) == 0 && strcmp(c->episode, episode) == 0;
    return is ? c : NULL;
}

static bool has_controller(const struct score_table *s, const char *name)
{
    const struct score *c = at_or_behind(s, name, "");
    return c != NULL && strcmp(c->controller, name) == 0;
}

/* Those that both files have, in order of appearance. Files are usually grouped by controller; the
 * comparison with the row before spares most searches, column_of() decides. */
static void list_controllers(struct rank_agreement *g, const struct score_table *a,
                             const struct score_table *b)
{
    for (int i = 0; i < a->n; i++) {
        const char *name = a->cells[i].controller;
        const bool again = i > 0 && strcmp(a->cells[i - 1].controller, name) == 0;
        if (!again && column_of(g->controllers, g->n_controllers, name) < 0 &&
            has_controller(b, name)) {
            g->controllers[g->n_controllers++] = name;
        }
    }
}

/* Does every controller have this episode, in both files, as a number? Then its values are column
 * n_episodes of both tables. If not, what was written there is overwritten by the next episode. */
static bool keep_episode(struct common *c, const struct rank_agreement *g,
                         const struct score_table *a, const struct score_table *b,
                         const char *episode, int room)
{
    for (int k = 0; k < g->n_controllers; k++) {
        const struct score *x = find(a, g->controllers[k], episode);
        const struct score *y = find(b, g->controllers[k], episode);
        if (x == NULL || y == NULL || !isfinite(x->value) || !isfinite(y->value)) {
            return false;
        }
        c->a[(ptrdiff_t)k * room + c->n_episodes] = x->value;
        c->b[(ptrdiff_t)k * room + c->n_episodes] = y->value;
    }
    return true;
}

/* An episode that all controllers have is one of the first controller's, so its rows are the
 * candidates, and their number is the room of each table row. At the end rows are moved from stride
 * `room` to stride n_episodes <= room: to the left, in rising order, so none is overwritten before
 * it was moved. */
static enum err match(struct common *c, struct rank_agreement *g, const struct score_table *a,
                      const struct score_table *b, struct arena *arena)
{
    g->controllers = ARENA_NEW(arena, a->n, const char *);
    c->episodes = ARENA_NEW(arena, a->n, const char *);
    TRY(arena_error(arena));
    list_controllers(g, a, b);
    int room = 0; /* rows of the first controller */
    for (int i = 0; i < a->n && g->n_controllers > 0; i++) {
        room += strcmp(a->cells[i].controller, g->controllers[0]) == 0;
    }
    c->n_controllers = g->n_controllers;
    c->a = ARENA_NEW(arena, (size_t)room * (size_t)g->n_controllers, double);
    c->b = ARENA_NEW(arena, (size_t)room * (size_t)g->n_controllers, double);
    TRY(arena_error(arena));
    for (int i = 0; i < a->n && g->n_controllers > 0; i++) {
        /* Episodes in the order in which the first controller has them. */
        if (strcmp(a->cells[i].controller, g->controllers[0]) == 0 &&
            keep_episode(c, g, a, b, a->cells[i].episode, room)) {
            c->episodes[c->n_episodes++] = a->cells[i].episode;
        }
    }
    for (int k = 1; k < g->n_controllers; k++) { /* close the gaps between the rows */
        memmove(c->a + (ptrdiff_t)k * c->n_episodes, c->a + (ptrdiff_t)k * room,
                (size_t)c->n_episodes * sizeof *c->a);
        memmove(c->b + (ptrdiff_t)k * c->n_episodes, c->b + (ptrdiff_t)k * room,
                (size_t)c->n_episodes * sizeof *c->b);
    }
    return ERR_OK;
}

/* ---- tau ---- */

/* tau-b = (C - D) / sqrt((C + D + T_a) (C + D + T_b)) over all pairs: C agree, D differ, T_a are
 * tied in a alone and T_b in b alone. The first factor counts the pairs that b does not tie, the
 * second those that a does not tie. Pairs tied in both lists count nowhere. All counts are whole,
 * so the result does not depend on their order. */
double kendall_tau(const double *a, const double *b, int n)
{
    double agree = 0.0, differ = 0.0, tied_a = 0.0, tied_b = 0.0;
    for (int i = 0; i < n; i++) {
        for (int j = i + 1; j < n; j++) {
            const int x = (a[i] > a[j]) - (a[i] < a[j]), y = (b[i] > b[j]) - (b[i] < b[j]);
            agree += x * y > 0;
            differ += x * y < 0;
            tied_a += x == 0 && y != 0;
            tied_b += y == 0 && x != 0;
        }
    }
    const double of = sqrt((agree + differ + tied_a) * (agree + differ + tied_b));
    return of > 0.0 ? (agree - differ) / of : NAN;
}

static int word_length(const char *name)
{
    return (int)strcspn(name, " ");
}

/* The running mean after n + 1 gaps. */
static void add_gap(struct rank_agreement_gap *to, const char *name, double gap)
{
    to->mean = (to->mean * to->n + gap) / (to->n + 1);
    to->n++;
    if (to->worst_of == NULL || gap > to->worst) {
        to->worst = gap;
        to->worst_of = name;
    }
}

/* out[0] is the group of all; the search among the others starts at 1. Every controller opens at
 * most one group, so n_controllers + 1 places are enough. */
int rank_agreement_gaps(struct rank_agreement_gap *out, const struct rank_agreement *g)
{
    int n = 1;
    out[0] = (struct rank_agreement_gap){0};
    for (int k = 0; k < g->n_controllers; k++) {
        const char *name = g->controllers[k];
        const int length = word_length(name);
        int i = 1;
        while (i < n &&
               (out[i].group_length != length || memcmp(out[i].group, name, (size_t)length) != 0)) {
            i++;
        }
        if (i == n) {
            out[n++] = (struct rank_agreement_gap){.group = name, .group_length = length};
        }
        const double gap = fabs(g->b[k] - g->a[k]);
        add_gap(&out[0], name, gap);
        add_gap(&out[i], name, gap);
    }
    return n;
}

/* Means of the rows over drawn episodes (NULL: all); of those, each `step`-th from `first`. */
static void means(double *out, const double *x, const struct common *c, const uint32_t *drawn,
                  int first, int step)
{
    for (int k = 0; k < c->n_controllers; k++) {
        double sum = 0.0;
        int n = 0;
        for (int i = first; i < c->n_episodes; i += step) {
            const ptrdiff_t at = drawn != NULL ? (ptrdiff_t)drawn[i] : i;
            sum += x[(ptrdiff_t)k * c->n_episodes + at];
            n++;
        }
        out[k] = sum / n;
    }
}

/* Each resample draws the same episodes for both evaluations, which played the same ones. The
 * halves are even and odd episodes of the first: two disjoint samples of the same controllers,
 * whose tau says what noise alone leaves of the agreement. */
static enum err compute_tau(struct rank_agreement *g, const struct common *c, struct arena *arena,
                            const struct stat_cfg *stat)
{
    const int n = g->n_controllers;
    g->a = ARENA_NEW(arena, n, double);
    g->b = ARENA_NEW(arena, n, double);
    double *x = ARENA_NEW(arena, n, double), *y = ARENA_NEW(arena, n, double);
    double *estimates = ARENA_NEW(arena, stat->resamples, double);
    uint32_t *drawn = ARENA_NEW(arena, c->n_episodes, uint32_t);
    TRY(arena_error(arena));
    means(g->a, c->a, c, NULL, 0, 1);
    means(g->b, c->b, c, NULL, 0, 1);
    means(x, c->a, c, NULL, 0, 2);
    means(y, c->a, c, NULL, 1, 2);
    g->halves = kendall_tau(x, y, n);
    for (uint32_t r = 0; r < stat->resamples; r++) {
        stat_draw(drawn, (uint32_t)c->n_episodes, stat, r, STAT_ROLE_EVAL);
        means(x, c->a, c, drawn, 0, 1);
        means(y, c->b, c, drawn, 0, 1);
        estimates[r] = kendall_tau(x, y, n);
    }
    return stat_percentiles(&g->tau, kendall_tau(g->a, g->b, n), estimates, stat, arena);
}

enum err rank_agreement_read(struct rank_agreement *g, struct arena *arena, const char *path_a,
                             const char *path_b, const char *metric, const struct stat_cfg *stat)
{
    struct stat_cfg own = *stat;
    struct score_table a = {0}, b = {0};
    struct common c = {0};
    own.stream = STAT_STREAM("Kendall's tau", metric);
    *g = (struct rank_agreement){0};
    TRY(read_scores(&a, arena, path_a, metric));
    TRY(read_scores(&b, arena, path_b, metric));
    TRY(match(&c, g, &a, &b, arena));
    g->n_episodes = c.n_episodes;
    if (g->n_controllers < LEAST_CONTROLLERS || c.n_episodes < 2) {
        log_error(
            "%s and %s have %d controllers and %d episodes in common; a ranking needs %d, and "
            "its interval 2 episodes",
            path_a, path_b, g->n_controllers, c.n_episodes, LEAST_CONTROLLERS);
        return ERR_MISMATCH;
    }
    return compute_tau(g, &c, arena, &own);
}
