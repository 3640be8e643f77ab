/* Header from the columns, then run by run. See import.h.
 *
 * make_header() decides once, for the whole table, which column of which service each value of the
 * store comes from (struct source). put_run() then places the rows of a run on the grid of
 * decisions and cuts it into episodes; put_piece() reads the values of one episode through the
 * sources and appends it. `rows` maps the decisions of the present episode to rows of the table, -1
 * for a gap. */
#include "core/trace/import.h"

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/number.h"
#include "core/base/order.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where a value of the store comes from. */
struct source {
    int service, column; /* of the table; -1: nowhere */
};

struct import {
    const struct metrics_table *s;
    const struct import_cfg *cfg;
    struct arena *arena;
    struct import_result *result;
    struct store_header header;
    struct store_writer writer;
    int *services;           /* (header.n_services) of the table */
    struct source *columns;  /* (header.n_columns) */
    struct source *truths;   /* (header.n_measures) */
    struct source *replicas; /* (header.n_services): what changes are taken from */
    struct source load, attack[STORE_ATTACK];
    int delta; /* column of the table, -1: none */
    /* one episode, as long as the table */
    int *rows; /* (n_slots) of the table, -1: none */
    int n_slots;
    int piece;   /* number of the episode in its run */
    bool *empty; /* (rows of the table) metrics_table_empty_rows() */
};

/* Does the table use Prometheus' names? Then it may have been exported, and may name the whole
 * application, causes and truths. Else it is a recording. */
static bool is_tidy(const struct metrics_table *s)
{
    return s->format->columns == NULL;
}

static bool is_truth(const struct column_def *m)
{
    return strncmp(m->name, "measure.", 8) == 0;
}

/* Not of a state, but of what is done to it. */
static bool is_cause(const struct column_def *m)
{
    return strcmp(m->name, "delta") == 0 || strcmp(m->name, "offered") == 0 ||
           strncmp(m->name, "attack_", 7) == 0;
}

static bool has_values(const struct metrics_table *s, int service, int column)
{
    for (int row = 0; row < s->n_rows; row++) {
        if (!isnan(metrics_table_at(s, row, service, column))) {
            return true;
        }
    }
    return false;
}

static double value_at(const struct metrics_table *s, int row, struct source p)
{
    return row < 0 || p.service < 0 || p.column < 0 ? NAN
                                                    : metrics_table_at(s, row, p.service, p.column);
}

/* ---- the header ---- */

static int by_name(const void *a, const void *b, void *ctx)
{
    const struct metrics_table *s = ctx;
    return strcmp(s->services[*(const int *)a], s->services[*(const int *)b]);
}

/* Index of "", the whole application; -1. */
static int whole_of(const struct metrics_table *s)
{
    for (int k = 0; k < s->n_services; k++) {
        if (s->services[k][0] == '\0') {
            return k;
        }
    }
    return -1;
}

/* Services of the header, the application ("") left out. A tidy table keeps its order, which is
 * that of the store from which it came; recordings are sorted, because their order of appearance
 * may differ from run to run. */
static enum err name_services(struct import *im)
{
    const struct metrics_table *s = im->s;
    const char **names = ARENA_NEW(im->arena, s->n_services, const char *);
    im->services = ARENA_NEW(im->arena, s->n_services, int);
    TRY(arena_error(im->arena));
    int n = 0;
    for (int k = 0; k < s->n_services; k++) {
        if (s->services[k][0] != '\0') {
            im->services[n++] = k;
        }
    }
    if (n == 0) {
        log_error("%s: no row names a service", s->path);
        return ERR_FORMAT;
    }
    if (!is_tidy(s)) {
        qsort_r(im->services, (size_t)n, sizeof *im->services, by_name, (void *)(uintptr_t)s);
    }
    for (int i = 0; i < n; i++) {
        names[i] = s->services[im->services[i]];
    }
    im->header.services = names;
    im->header.n_services = n;
    return ERR_OK;
}

/* What is appended to while columns are named. */
struct naming {
    const char **names, **units;
    struct source *sources;
    int n;
};

/* Columns of one service (prefix "web."), or of the whole ("") behind those that are there. A tidy
 * table has a cell for every service and metric, most of them empty: a column exists for a service
 * if it has a value anywhere. In a recording every metric of a service exists for all. */
static enum err name_columns_of(struct naming *to, struct import *im, int service,
                                const char *prefix)
{
    const struct metrics_table *s = im->s;
    for (int i = 0; i < s->n_columns; i++) {
        const struct column_def *m = s->columns[i].def;
        const bool here = is_tidy(s) ? has_values(s, service, i) : !m->whole;
        if (is_truth(m) || is_cause(m) || !here) {
            continue;
        }
        to->names[to->n] = arena_printf(im->arena, "%s%s", prefix, m->name);
        to->units[to->n] = m->unit;
        to->sources[to->n] = (struct source){service, i};
        to->n++;
    }
    return arena_error(im->arena);
}

static enum err name_columns(struct import *im)
{
    const struct metrics_table *s = im->s;
    const int max = s->n_services * s->n_columns;
    const int whole = whole_of(s);
    struct naming to = {ARENA_NEW(im->arena, max, const char *),
                        ARENA_NEW(im->arena, max, const char *),
                        ARENA_NEW(im->arena, max, struct source), 0};
    TRY(arena_error(im->arena));
    for (int k = 0; k < im->header.n_services; k++) {
        const char *prefix = arena_printf(im->arena, "%s.", im->header.services[k]);
        TRY(arena_error(im->arena));
        TRY(name_columns_of(&to, im, im->services[k], prefix));
    }
    if (whole >= 0) {
        TRY(name_columns_of(&to, im, whole, ""));
    }
    if (to.n == 0) {
        log_error("%s: no column of a state has a value", s->path);
        return ERR_FORMAT;
    }
    im->header.columns = to.names;
    im->header.units = to.units;
    im->header.n_columns = to.n;
    im->columns = to.sources;
    return ERR_OK;
}

static enum err name_truths(struct import *im)
{
    const struct metrics_table *s = im->s;
    const int whole = whole_of(s);
    const char **names = ARENA_NEW(im->arena, s->n_columns, const char *);
    im->truths = ARENA_NEW(im->arena, s->n_columns, struct source);
    TRY(arena_error(im->arena));
    int n = 0;
    for (int i = 0; whole >= 0 && i < s->n_columns; i++) {
        if (is_truth(s->columns[i].def)) {
            names[n] = s->columns[i].def->name + strlen("measure.");
            im->truths[n++] = (struct source){whole, i};
        }
    }
    im->header.truths = names;
    im->header.n_truths = n;
    return ERR_OK;
}

/* ---- causes ---- */

/* Mean over the rows in which there is a value; -1, less than any rate, if there is none. */
static double mean_at(const struct metrics_table *s, struct source p)
{
    double sum = 0.0;
    int n = 0;
    for (int row = 0; row < s->n_rows; row++) {
        const double v = value_at(s, row, p);
        sum += isnan(v) ? 0.0 : v;
        n += !isnan(v);
    }
    return n > 0 ? sum / n : -1.0;
}

/* `offered` of the whole application, else `received` of the service with the largest mean. The
 * first wins a tie. */
static struct source find_load(const struct import *im)
{
    const struct metrics_table *s = im->s;
    const int received = metrics_table_find(s, "received");
    struct source best = {whole_of(s), metrics_table_find(s, "offered")};
    if (best.service >= 0 && best.column >= 0) {
        return best;
    }
    best = (struct source){-1, -1};
    for (int k = 0; received >= 0 && k < im->header.n_services; k++) {
        const struct source p = {im->services[k], received};
        best = best.service < 0 || mean_at(s, p) > mean_at(s, best) ? p : best;
    }
    if (best.service < 0) {
        log_warn("%s: no column holds a rate of requests; the offered load is unknown", s->path);
    }
    return best;
}

static enum err find_causes(struct import *im)
{
    static const char *const attack[STORE_ATTACK] = {"attack_entry", "attack_rate", "attack_data"};
    const struct metrics_table *s = im->s;
    const int desired = metrics_table_find(s, "desired"),
              deployed = metrics_table_find(s, "deployed");
    im->load = find_load(im);
    im->delta = metrics_table_find(s, "delta");
    for (int i = 0; i < STORE_ATTACK; i++) {
        im->attack[i] = (struct source){whole_of(s), metrics_table_find(s, attack[i])};
    }
    im->replicas = ARENA_NEW(im->arena, im->header.n_services, struct source);
    TRY(arena_error(im->arena));
    for (int k = 0; k < im->header.n_services; k++) {
        im->replicas[k] = (struct source){im->services[k], desired >= 0 ? desired : deployed};
    }
    return ERR_OK;
}

/* ---- time ---- */

/* A clock that is read every 30 s says 30.0004: within 1 % a whole second is meant. */
static double round_period(double s)
{
    const double whole = floor(s + 0.5);
    return whole >= 1.0 && fabs(s - whole) < 0.01 * s ? whole : s;
}

/* The median of the positive spacings within runs. A few gaps and repeated times do not move it, as
 * they would move a mean. */
static enum err find_period(struct import *im)
{
    const struct metrics_table *s = im->s;
    double *spacing = ARENA_NEW(im->arena, s->n_rows, double);
    int n = 0;
    TRY(arena_error(im->arena));
    if (!s->timed) {
        log_error("%s: the table has no times, so nothing is known of what follows what; it cannot "
                  "become transitions",
                  s->path);
        return ERR_FORMAT;
    }
    for (int i = 1; i < s->n_rows; i++) {
        if (s->run[i] == s->run[i - 1] && s->time_s[i] > s->time_s[i - 1]) {
            spacing[n++] = s->time_s[i] - s->time_s[i - 1];
        }
    }
    if (n == 0) {
        log_error("%s: no two rows follow each other in time", s->path);
        return ERR_FORMAT;
    }
    qsort(spacing, (size_t)n, sizeof *spacing, order_doubles);
    im->header.period_s = round_period(spacing[n / 2]);
    im->result->period_s = im->header.period_s;
    return ERR_OK;
}

/* ---- episodes ---- */

/* A recording's seed, so that files are split as episodes are. */
static uint64_t name_hash(const char *s)
{
    return hash_fnv1a(HASH_START, s, strlen(s));
}

/* A number that tells runs apart, at most `max`, or `missing` if the table does not say it. */
static enum err number_of(uint64_t *out, const struct metrics_table *s, int line, const char *text,
                          const char *column, uint64_t max, uint64_t missing)
{
    if (*text == '\0') {
        *out = missing;
        return ERR_OK;
    }
    if (!number_unsigned(out, text, 10, max)) {
        log_error("%s:%d: '%.40s' in column %s; a whole number, 0 to %" PRIu64
                  ", was expected; a single recording needs none of the columns controller, "
                  "scenario, seed and episode",
                  s->path, line, text, column, max);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

static int first_line(const struct metrics_table *s, int run)
{
    int row = 0;
    while (row + 1 < s->n_rows && s->run[row] != run) {
        row++;
    }
    return s->line[row];
}

/* Seed and number of the present piece of a run. Where the table does not number its episodes, the
 * pieces are counted. Where it does, number + piece could be the number of another episode; so the
 * first piece keeps the table's number, and later ones are counted under a seed of their own, made
 * from the episode's seed and number. The same table has the same numbers at every import. */
static enum err number_piece(struct store_episode *e, const struct import *im, int line,
                             const char *text)
{
    uint64_t number;
    TRY(number_of(&number, im->s, line, text, "episode", UINT32_MAX, (uint64_t)im->piece));
    const bool later = *text != '\0' && im->piece > 0;
    if (later) {
        e->seed =
            hash_fnv1a(hash_fnv1a(HASH_START, &e->seed, sizeof e->seed), &number, sizeof number);
    }
    e->episode = later ? (uint32_t)im->piece : (uint32_t)number;
    return ERR_OK;
}

/* A table that does not say who played is a recording: named for its file, with a seed of that
 * name, so that files are split as episodes are. */
static enum err identify(struct store_episode *e, const struct import *im, int run)
{
    const struct metrics_table *s = im->s;
    const char *const *names = s->runs[run].names;
    const bool tidy = is_tidy(s);
    const int line = first_line(s, run);
    e->controller = tidy && names[0][0] != '\0' ? names[0] : "recording";
    e->scenario = tidy ? names[1] : "";
    if (e->scenario[0] == '\0') {
        e->scenario = tidy || names[0][0] == '\0'
                          ? s->path
                          : arena_printf(im->arena, "%s:%s", s->path, names[0]);
    }
    TRY(arena_error(im->arena));
    TRY(number_of(&e->seed, s, line, tidy ? names[2] : "", "seed", UINT64_MAX,
                  name_hash(e->scenario)));
    return number_piece(e, im, line, tidy ? names[3] : "");
}

/* No process runs without memory: a recording's 0 is a measurement that failed. */
static double measured_at(const struct import *im, int row, struct source p)
{
    const double v = value_at(im->s, row, p);
    const bool memory = im->s->columns[p.column].def->kind == COLUMN_MEMORY;
    return memory && !is_tidy(im->s) && !(v > 0.0) ? NAN : v;
}

/* Value i belongs to decision i / n_columns and column i % n_columns; bit i of `gaps` says that it
 * was not measured, and 0 stands in its place. Without any gap the store has no bits at all. */
static enum err fill_state(struct store_episode *e, const struct import *im)
{
    const struct store_header *h = &im->header;
    const size_t n = (size_t)im->n_slots * (size_t)h->n_columns;
    float *state = ARENA_NEW(im->arena, n, float);
    uint8_t *gaps = ARENA_NEW(im->arena, store_gap_bytes(e->n_steps, h->n_columns), uint8_t);
    bool any = false;
    TRY(arena_error(im->arena));
    for (size_t i = 0; i < n; i++) {
        const int row = im->rows[i / (size_t)h->n_columns];
        const float v = (float)measured_at(im, row, im->columns[i % (size_t)h->n_columns]);
        state[i] = isfinite(v) ? v : 0.0F;
        if (!isfinite(v)) {
            gaps[i / 8] |= (uint8_t)(1U << (i % 8));
            any = true;
        }
    }
    e->state = state;
    e->gaps = any ? gaps : NULL;
    return ERR_OK;
}

/* A whole number near v; 0 if there is none. */
static int32_t whole_number(double v)
{
    return isnan(v) || fabs(v) > 1e6 ? 0 : (int32_t)floor(v + 0.5);
}

/* Without a column of changes, the difference of the replicas of two neighbouring decisions. Where
 * either is a gap the difference is NaN and the change 0; such a transition is not learned from,
 * because the twin demands known replicas at both ends (dataset.c). */
static enum err fill_delta(struct store_episode *e, const struct import *im)
{
    const int n = im->header.n_services;
    int32_t *delta = ARENA_NEW(im->arena, (size_t)e->n_steps * (size_t)n, int32_t);
    TRY(arena_error(im->arena));
    for (int t = 0; t < e->n_steps; t++) {
        for (int k = 0; k < n; k++) {
            const struct source change = {im->services[k], im->delta};
            const double was = value_at(im->s, im->rows[t], im->replicas[k]);
            const double is = value_at(im->s, im->rows[t + 1], im->replicas[k]);
            delta[t * n + k] =
                whole_number(im->delta >= 0 ? value_at(im->s, im->rows[t], change) : is - was);
        }
    }
    e->delta = delta;
    return ERR_OK;
}

/* Load, attack and truth of the n_steps decisions; the last row of an episode has none. A load that
 * is missing is 0 with its bit in load_gaps set; without an attack in any row there is no array. */
static enum err fill_causes(struct store_episode *e, const struct import *im)
{
    float *load = ARENA_NEW(im->arena, e->n_steps, float);
    int32_t *attack = ARENA_NEW(im->arena, e->n_steps * STORE_ATTACK, int32_t);
    const int n = im->header.n_truths;
    double *truth = ARENA_NEW(im->arena, (size_t)e->n_steps * (size_t)n, double);
    uint8_t *gaps = ARENA_NEW(im->arena, store_load_gap_bytes(e->n_steps), uint8_t);
    bool attacked = false, unknown = false;
    TRY(arena_error(im->arena));
    for (int t = 0; t < e->n_steps; t++) {
        const float v = (float)value_at(im->s, im->rows[t], im->load);
        load[t] = isfinite(v) && v > 0.0F ? v : 0.0F;
        if (!isfinite(v)) {
            gaps[t / 8] |= (uint8_t)(1U << (t % 8));
            unknown = true;
        }
        for (int i = 0; i < STORE_ATTACK; i++) {
            const double a = value_at(im->s, im->rows[t], im->attack[i]);
            attacked = attacked || !isnan(a);
            attack[t * STORE_ATTACK + i] = whole_number(a);
        }
        for (int i = 0; i < n; i++) {
            const double x = value_at(im->s, im->rows[t], im->truths[i]);
            truth[t * n + i] = isfinite(x) ? x : 0.0;
        }
    }
    e->load = load;
    e->load_gaps = unknown ? gaps : NULL;
    e->attack = attacked ? attack : NULL;
    e->truth = truth;
    return ERR_OK;
}

/* The episode of the slots so far, unless it is a single row. */
static enum err put_piece(struct import *im, int run, double start_s)
{
    struct store_episode e = {.n_steps = im->n_slots - 1, .start_s = start_s};
    struct buf b;
    if (im->n_slots < 2) {
        im->result->n_left_out += im->n_slots;
        return ERR_OK;
    }
    const struct arena_mark mark = arena_mark(im->arena);
    TRY(identify(&e, im, run));
    TRY(fill_state(&e, im));
    TRY(fill_delta(&e, im));
    TRY(fill_causes(&e, im));
    buf_init(&b);
    enum err err = codec_put_episode(&b, &e, &im->header);
    if (err == ERR_OK) {
        err = store_put(&im->writer, b.data, b.len);
    }
    buf_release(&b);
    arena_rewind(im->arena, mark);
    im->piece++;
    im->result->n_episodes++;
    im->result->n_steps += e.n_steps;
    return err;
}

/* Rows [begin, end) of one run.
 *
 * The slot of a row is its time since the first row of the episode, in periods, rounded. It is
 * computed from the start and not from the row before, so rounding errors do not add up. n_slots is
 * the first slot that is free; three cases:
 *
 *     slot < n_slots                  the decision has its row already: this one is left out
 *     slot > n_slots + gap_periods    too many are missing: the episode ends, a new one starts here
 *     else                            the slots in between become gaps, and the row takes its own
 *
 * A row thus adds at most gap_periods + 1 slots, for which put_all() made room. */
static enum err put_run(struct import *im, int begin, int end)
{
    const struct metrics_table *s = im->s;
    const double period_s = im->header.period_s;
    double start_s = s->time_s[begin];
    im->piece = 0;
    im->n_slots = 0;
    for (int row = begin; row < end; row++) {
        if (im->empty[row]) {
            im->result->n_empty++;
            continue;
        }
        start_s = im->n_slots == 0 ? s->time_s[row] : start_s;
        const double slot = floor((s->time_s[row] - start_s) / period_s + 0.5);
        if (im->n_slots > 0 && slot < im->n_slots) {
            im->result->n_left_out++;
            continue;
        }
        if (im->n_slots > 0 && slot > im->n_slots + im->cfg->gap_periods) {
            TRY(put_piece(im, s->run[begin], start_s));
            im->n_slots = 0;
            start_s = s->time_s[row];
        }
        while (im->n_slots > 0 && im->n_slots < slot) {
            im->rows[im->n_slots++] = -1;
        }
        im->rows[im->n_slots++] = row;
    }
    return put_piece(im, s->run[begin], start_s);
}

/* Rows of one run are neighbours (metrics_table.h), so each run is one stretch [begin, end). */
static enum err put_all(struct import *im)
{
    const struct metrics_table *s = im->s;
    im->rows = ARENA_NEW(im->arena, (size_t)s->n_rows * (size_t)(im->cfg->gap_periods + 1), int);
    im->empty = ARENA_NEW(im->arena, s->n_rows, bool);
    TRY(arena_error(im->arena));
    (void)metrics_table_empty_rows(im->empty, s);
    for (int begin = 0, end; begin < s->n_rows; begin = end) {
        for (end = begin + 1; end < s->n_rows && s->run[end] == s->run[begin]; end++) {
        }
        TRY(put_run(im, begin, end));
    }
    return ERR_OK;
}

static enum err make_header(struct import *im)
{
    const struct import_cfg *cfg = im->cfg;
    im->header = (struct store_header){.plant = is_tidy(im->s) ? "table" : "recording",
                                       .topology = "",
                                       .origin = cfg->origin,
                                       .licence = cfg->licence,
                                       .split_seed = cfg->split_seed,
                                       .validation = cfg->validation,
                                       .held_out = cfg->held_out};
    TRY(find_period(im));
    TRY(name_services(im));
    TRY(name_columns(im));
    TRY(name_truths(im));
    return find_causes(im);
}

/* The header is complete before the store is touched, so a table that is refused for its columns or
 * times leaves no file. Episodes are appended one by one; after an error those before it stay in
 * the store. */
enum err import_table(struct import_result *out, const char *path, const struct metrics_table *s,
                      const struct import_cfg *cfg, struct arena *arena)
{
    int n_before = 0;
    struct import_result result = {0};
    struct import im = {.s = s, .cfg = cfg, .arena = arena, .result = &result};
    TRY(make_header(&im));
    TRY(file_exists(path) ? store_append(&im.writer, &n_before, path, &im.header)
                          : store_create(&im.writer, path, &im.header));
    enum err e = put_all(&im);
    const enum err finished = store_finish(&im.writer);
    e = e == ERR_OK ? finished : e;
    if (e == ERR_OK && result.n_episodes == 0) {
        log_error("%s: no two rows follow each other in time", s->path);
        e = ERR_FORMAT;
    }
    if (e == ERR_OK) {
        *out = result;
    }
    return e;
}
