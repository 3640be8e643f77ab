/* Rows to text and back; a row finds its job by its names. See eval_store.h.
 *
 * Rows are read in any order and from any number of files. A row whose job is known becomes that
 * job's row, or, if there is one already, must equal it in every metric. So reading is idempotent,
 * and the order of files changes only which of them is named in a message. */
#include "core/eval/eval_store.h"

#include "core/base/csv_read.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/number.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum key {
    KEY_CONTROLLER,
    KEY_POLICY,
    KEY_TRAIN_SEED,
    KEY_SCENARIO,
    KEY_SPLIT,
    KEY_SEED,
    KEY_EPISODE,
    KEYS
};
enum {
    VALUES_MAX = METRIC_COUNT + SHIELDING_COLUMNS,
    COLUMNS_MAX = KEYS + VALUES_MAX + 1,
    NUMBER_MAX = 32
};

/* The numbers of a row: its metrics, and with a shield the columns of that. */
static int count_values(const struct eval_store *l)
{
    return l->cfg->shielded ? VALUES_MAX : METRIC_COUNT;
}

static const char *value_name(int i)
{
    return i < METRIC_COUNT ? metric_info[i].name : shielding_columns[i - METRIC_COUNT].name;
}

static double value_of(const struct eval_row *row, int i)
{
    return i < METRIC_COUNT ? ((const double *)&row->m)[i] : row->shield[i - METRIC_COUNT];
}

static int column_cell_digest(const struct eval_store *l)
{
    return KEYS + count_values(l);
}

static int count_columns(const struct eval_store *l)
{
    return column_cell_digest(l) + 1;
}

/* Keys, values, cell_digest last. */
static void name_columns(const char *columns[COLUMNS_MAX], const struct eval_store *l)
{
    static const char *const keys[KEYS] = {"controller", "policy", "train_seed", "scenario",
                                           "split",      "seed",   "episode"};
    memcpy(columns, keys, sizeof keys);
    for (int i = 0; i < count_values(l); i++) {
        columns[KEYS + i] = value_name(i);
    }
    columns[column_cell_digest(l)] = "cell_digest";
}

enum err eval_store_init(struct eval_store *l, struct arena *arena, const struct eval_grid *cfg)
{
    const int n = cfg->n_arms * cfg->n_scenarios * cfg->n_episodes;
    *l = (struct eval_store){.cfg = cfg,
                             .arena = arena,
                             .rows = ARENA_NEW(arena, n, struct eval_row),
                             .sources = ARENA_NEW(arena, n, struct row_source),
                             .n_jobs = n};
    return arena_error(arena);
}

/* ---- jobs ---- */

/* Job i = (arm * n_scenarios + scenario) * n_episodes + episode; the next three take it apart. */
static const struct grid_arm *arm_of(const struct eval_store *l, int i)
{
    return &l->cfg->arms[i / (l->cfg->n_scenarios * l->cfg->n_episodes)];
}

static int scenario_of(const struct eval_store *l, int i)
{
    return i / l->cfg->n_episodes % l->cfg->n_scenarios;
}

static uint32_t episode_of(const struct eval_store *l, int i)
{
    return (uint32_t)(l->cfg->first + i % l->cfg->n_episodes);
}

/* ---- text of the keys ---- */

struct arm_text {
    char policy[NUMBER_MAX], seed[NUMBER_MAX];
};

/* As they stand in a file: empty for rules. 64-bit numbers stay text, since a double cannot hold
 * them. */
static struct arm_text text_of(const struct grid_arm *arm)
{
    struct arm_text t = {"", ""};
    if (arm->learned) {
        snprintf(t.policy, sizeof t.policy, "%016" PRIx64, arm->policy);
        snprintf(t.seed, sizeof t.seed, "%" PRIu64, arm->seed);
    }
    return t;
}

static const char *cell_digest_text(char text[NUMBER_MAX], const struct eval_store *l, int i)
{
    snprintf(text, NUMBER_MAX, "%016" PRIx64, arm_of(l, i)->cell_digest[scenario_of(l, i)]);
    return text;
}

/* ---- a row finds its job ---- */

/* What to do about rows of another evaluation: in the directory of this one, or in a file that is
 * merged into it. */
static const char *remedy(const struct eval_store *l)
{
    return l->merges ? "leave the file out of --merge, or evaluate that part anew with the present "
                       "configuration and program"
                     : "measure into another directory (--out), or measure all anew with --restart";
}

static enum err reject(const struct eval_store *l, const struct csv_reader *r, const char *what,
                       const char *found)
{
    log_error("%s:%d: %s '%s' is not of this evaluation; %s", r->path, r->line, what, found,
              remedy(l));
    return ERR_MISMATCH;
}

/* The arm of that name and those weights. A known name with other weights has a message of its own:
 * the policy was trained anew. */
static enum err find_arm(int *arm, const struct eval_store *l, const char *const *cells,
                         const struct csv_reader *r)
{
    bool named = false;
    for (int a = 0; a < l->cfg->n_arms; a++) {
        const struct arm_text t = text_of(&l->cfg->arms[a]);
        if (strcmp(l->cfg->arms[a].name, cells[KEY_CONTROLLER]) != 0) {
            continue;
        }
        named = true;
        if (strcmp(t.policy, cells[KEY_POLICY]) == 0 &&
            strcmp(t.seed, cells[KEY_TRAIN_SEED]) == 0) {
            *arm = a;
            return ERR_OK;
        }
    }
    return named ? reject(l, r, "the policy with weights", cells[KEY_POLICY])
                 : reject(l, r, "the controller", cells[KEY_CONTROLLER]);
}

static enum err find_scenario(int *scenario, const struct eval_store *l, const char *name,
                              const struct csv_reader *r)
{
    for (int s = 0; s < l->cfg->n_scenarios; s++) {
        if (strcmp(l->cfg->scenarios[s], name) == 0) {
            *scenario = s;
            return ERR_OK;
        }
    }
    return reject(l, r, "the scenario", name);
}

static enum err find_episode(int *at, const struct eval_store *l, const char *const *cells,
                             const struct csv_reader *r)
{
    uint64_t seed, episode;
    const uint64_t first = (uint64_t)l->cfg->first;
    if (strcmp(cells[KEY_SPLIT], l->cfg->split) != 0) {
        return reject(l, r, "the domain", cells[KEY_SPLIT]);
    }
    if (!number_unsigned(&seed, cells[KEY_SEED], 10, UINT64_MAX) || seed != l->cfg->seed) {
        return reject(l, r, "the seed", cells[KEY_SEED]);
    }
    if (!number_unsigned(&episode, cells[KEY_EPISODE], 10, UINT64_MAX) || episode < first ||
        episode - first >= (uint64_t)l->cfg->n_episodes) {
        return reject(l, r, "the episode", cells[KEY_EPISODE]);
    }
    *at = (int)(episode - first);
    return ERR_OK;
}

/* The keys say which job a row belongs to, the digest that everything else which decides a row was
 * the same. A row with another digest is not that job's, although its keys are. */
static enum err find_job(int *job, const struct eval_store *l, const char *const *cells,
                         const struct csv_reader *r)
{
    int arm, scenario, episode;
    char want[NUMBER_MAX];
    TRY(find_arm(&arm, l, cells, r));
    TRY(find_scenario(&scenario, l, cells[KEY_SCENARIO], r));
    TRY(find_episode(&episode, l, cells, r));
    const int i = (arm * l->cfg->n_scenarios + scenario) * l->cfg->n_episodes + episode;
    const char *found = cells[column_cell_digest(l)];
    if (strcmp(cell_digest_text(want, l, i), found) != 0) {
        log_error(
            "%s:%d: controller '%s' in scenario '%s' was measured under another configuration "
            "of the environment, the scenario or the controller (cell_digest %s, now %s); %s",
            r->path, r->line, cells[KEY_CONTROLLER], cells[KEY_SCENARIO], found, want, remedy(l));
        return ERR_MISMATCH;
    }
    *job = i;
    return ERR_OK;
}

static enum err read_row(struct eval_row *row, const struct eval_store *l, int i,
                         const char *const *cells, const struct csv_reader *r)
{
    double values[VALUES_MAX] = {0};
    for (int k = 0; k < count_values(l); k++) {
        if (!number_real(&values[k], cells[KEYS + k])) {
            log_error("%s:%d: %s is '%s', which is no number; the file was damaged", r->path,
                      r->line, value_name(k), cells[KEYS + k]);
            return ERR_FORMAT;
        }
    }
    *row = (struct eval_row){.controller = arm_of(l, i)->controller,
                             .train = arm_of(l, i)->train,
                             .scenario = scenario_of(l, i),
                             .episode = episode_of(l, i)};
    memcpy(&row->m, values, sizeof row->m);
    memcpy(row->shield, values + METRIC_COUNT, sizeof row->shield);
    return ERR_OK;
}

/* ---- comparing rows ---- */

/* The first value in which two rows differ, their number if none. NaN equals NaN. Exact comparison
 * is right: numbers are written so that they read back as the same double. */
static int first_difference(const struct eval_store *l, const struct eval_row *a,
                            const struct eval_row *b)
{
    int i = 0;
    while (i < count_values(l)) {
        const double x = value_of(a, i), y = value_of(b, i);
        if (x != y && !(isnan(x) && isnan(y))) {
            return i;
        }
        i++;
    }
    return i;
}

enum err eval_store_compare(const struct eval_store *l, int i, const struct eval_row *row)
{
    const int m = first_difference(l, &l->rows[i], row);
    if (m == count_values(l)) {
        return ERR_OK;
    }
    log_error("%s:%d: this program measures %s = %.17g in that episode, the file has %.17g; it was "
              "made by another version or was changed; %s",
              l->sources[i].path, l->sources[i].line, value_name(m), value_of(row, m),
              value_of(&l->rows[i], m), remedy(l));
    return ERR_MISMATCH;
}

/* A row that is there already must be the same. */
static enum err agree(const struct eval_store *l, int i, const struct eval_row *row,
                      const struct csv_reader *r)
{
    const int m = first_difference(l, &l->rows[i], row);
    if (m == count_values(l)) {
        return ERR_OK;
    }
    log_error(
        "%s:%d: the same episode as in %s:%d, but %s is %.17g here and %.17g there; one of the "
        "files was made by another version or was changed",
        r->path, r->line, l->sources[i].path, l->sources[i].line, value_name(m), value_of(row, m),
        value_of(&l->rows[i], m));
    return ERR_MISMATCH;
}

/* ---- reading ---- */

/* The first line must have exactly these columns. A reader that finds another number of cells says
 * ERR_FORMAT; here that means other columns, too. Other errors (I/O, memory) are passed on. */
static enum err check_header(const struct eval_store *l, struct csv_reader *r)
{
    const char *want[COLUMNS_MAX], *found[COLUMNS_MAX];
    const int n = count_columns(l);
    enum csv_status status;
    name_columns(want, l);
    const enum err e = csv_reader_next(r, found, n, &status);
    const bool whole = e == ERR_OK && status == CSV_ROW;
    int c = 0;
    while (whole && c < n && strcmp(want[c], found[c]) == 0) {
        c++;
    }
    if (whole && c < n) {
        log_error("%s has the column '%s' where this program writes '%s'; %s", r->path, found[c],
                  want[c], remedy(l));
        return ERR_MISMATCH;
    }
    if (!whole && (e == ERR_OK || e == ERR_FORMAT)) {
        log_error("%s has other columns than this program writes; %s", r->path, remedy(l));
        return ERR_MISMATCH;
    }
    return e;
}

/* n_in_order counts while row k of the file is job k, from the start on; it stops for good at the
 * first row that is not. A row that the same file has already is one too many, wherever it stands.
 * Paths are compared as pointers: each file that was read has one copy of its path. */
static enum err take_cells(struct eval_store *l, const char *path, const char *const *cells,
                           const struct csv_reader *r, int *n_rows)
{
    int i;
    struct eval_row row;
    TRY(find_job(&i, l, cells, r));
    TRY(read_row(&row, l, i, cells, r));
    if (l->sources[i].path != NULL) {
        l->repeats = l->repeats || l->sources[i].path == path;
        return agree(l, i, &row, r);
    }
    l->n_in_order += i == *n_rows && l->n_in_order == i ? 1 : 0;
    l->rows[i] = row;
    l->sources[i] = (struct row_source){path, r->line};
    l->n_known++;
    ++*n_rows;
    return ERR_OK;
}

/* A writer that is killed leaves at most its last row without an end: rows are appended. That row
 * is measured again; everything before it is whole. */
static enum err read_rows(struct eval_store *l, const char *path, struct csv_reader *r)
{
    const char *cells[COLUMNS_MAX];
    enum csv_status status = CSV_ROW;
    int n_rows = 0;
    TRY(check_header(l, r));
    while (true) {
        TRY(csv_reader_next(r, cells, count_columns(l), &status));
        if (status != CSV_ROW) {
            break;
        }
        TRY(take_cells(l, path, cells, r, &n_rows));
    }
    if (status == CSV_TORN) {
        log_warn("%s:%d: the last row is torn, as by a process that was killed; it is left out",
                 path, r->line);
    }
    return ERR_OK;
}

/* The path is copied because sources point at it as long as the store exists. */
enum err eval_store_read(struct eval_store *l, const char *path)
{
    struct csv_reader r;
    const char *own_path = arena_strdup(l->arena, path);
    TRY(arena_error(l->arena));
    TRY(csv_reader_open(&r, own_path));
    const enum err e = read_rows(l, own_path, &r);
    csv_reader_close(&r);
    return e;
}

/* Jobs of an arm are consecutive, so `last`, the file of the latest known row, changes at each new
 * file. Paths are compared as pointers: each file that was read has one copy of its path. Where
 * rows of two files alternate more rows are played again than needed, never fewer. */
void eval_store_choose_rechecks(bool *again, const struct eval_store *l)
{
    const int block = l->cfg->n_scenarios * l->cfg->n_episodes;
    for (int a = 0; a < l->cfg->n_arms; a++) {
        const char *last = NULL;
        for (int i = a * block; i < (a + 1) * block; i++) {
            const char *path = l->sources[i].path;
            again[i] = path != NULL && path != last;
            last = path != NULL ? path : last;
        }
    }
}

bool eval_store_in_order(const struct eval_store *l)
{
    return l->n_in_order == l->n_known && !l->repeats;
}

enum err eval_store_check_complete(const struct eval_store *l)
{
    int i = 0;
    while (i < l->n_jobs && l->sources[i].path != NULL) {
        i++;
    }
    if (i == l->n_jobs) {
        return ERR_OK;
    }
    log_error(
        "%d of %d rows are in none of the files; the first that is missing: controller '%s'%s, "
        "scenario '%s', episode %u",
        l->n_jobs - l->n_known, l->n_jobs, arm_of(l, i)->name,
        arm_of(l, i)->learned
            ? arena_printf(l->arena, " (training seed %" PRIu64 ")", arm_of(l, i)->seed)
            : "",
        l->cfg->scenarios[scenario_of(l, i)], episode_of(l, i));
    return ERR_MISMATCH;
}

/* ---- writing ---- */

enum err eval_store_create(struct csv *csv, const struct eval_store *l, const char *path)
{
    const char *columns[COLUMNS_MAX];
    name_columns(columns, l);
    return csv_create(csv, l->arena, path, columns, count_columns(l));
}

enum err eval_store_continue(struct csv *csv, const struct eval_store *l, const char *path)
{
    const char *columns[COLUMNS_MAX];
    name_columns(columns, l);
    return csv_resume(csv, l->arena, path, columns, count_columns(l), CSV_KEEP_ALL);
}

enum err eval_store_put(struct csv *csv, const struct eval_store *l, int i,
                        const struct eval_row *row)
{
    const struct grid_arm *arm = arm_of(l, i);
    const struct arm_text t = text_of(arm);
    char seed[NUMBER_MAX], digest[NUMBER_MAX];
    snprintf(seed, sizeof seed, "%" PRIu64, l->cfg->seed);
    csv_text(csv, arm->name);
    csv_text(csv, t.policy);
    csv_text(csv, t.seed);
    csv_text(csv, l->cfg->scenarios[row->scenario]);
    csv_text(csv, l->cfg->split);
    csv_text(csv, seed);
    csv_int(csv, row->episode);
    for (int k = 0; k < count_values(l); k++) {
        csv_exact(csv, value_of(row, k));
    }
    csv_text(csv, cell_digest_text(digest, l, i));
    return csv_end_row(csv);
}

static enum err put_all(struct csv *csv, const struct eval_store *l, const struct eval_row *rows)
{
    for (int i = 0; i < l->n_jobs; i++) {
        TRY(eval_store_put(csv, l, i, &rows[i]));
    }
    return csv_sync(csv);
}

/* The new file is written and synchronised under another name before it replaces the old one: after
 * a crash there is either the old file or the whole new one. */
enum err eval_store_rewrite(const struct eval_store *l, const char *path,
                            const struct eval_row *rows)
{
    const char *beside = arena_printf(l->arena, "%s.new", path);
    struct csv csv;
    TRY(arena_error(l->arena));
    TRY(eval_store_create(&csv, l, beside));
    const enum err e = put_all(&csv, l, rows);
    csv_close(&csv);
    TRY(e);
    if (rename(beside, path) != 0) {
        log_error("cannot rename '%s' to '%s': %s", beside, path, strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}
