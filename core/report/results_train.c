/* Trainings: a run directory becomes a learning curve and what it took. See results.h.
 *
 * Updates are put into bins of the same number of updates, so that trainings of any length are
 * drawn with as many points, and trainings of one configuration have the same bins. In a bin,
 * episodes have equal weights: a row of metrics.csv is the mean over those that ended in an
 * update. */
#include "core/report/results_parts.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/number.h"
#include "core/eval/converged.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 16 * 1024 * 1024, LAST_EPISODES = 100 };

/* A training that is read. */
struct run {
    struct results *r;
    const struct result_dir *dir;
    struct result_training *t;
};

static const char *file_of(const struct run *run, const char *name)
{
    return file_join(run->r->arena, run->dir->path, name);
}

/* ---- run.yaml ---- */

/* The value of "key: value" at the start of `line`; NULL if it has another key. */
static const char *value_of(const char *line, size_t n, const char *key)
{
    const size_t k = strlen(key);
    return n > k && strncmp(line, key, k) == 0 ? line + k : NULL;
}

/* Keys that decide no result: two trainings that differ in them are trainings of one
 * configuration. */
static bool is_of_the_run(const char *line, size_t n)
{
    static const char *const keys[] = {"  seed: ", "  learners: ", "  learners_simulate: ",
                                       "  checkpoint_every: ", "  checkpoint_keep: "};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (value_of(line, n, keys[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* The name of a twin that an ablation made, below the directory of the ablation: where that lies
 * decides nothing. */
static enum err keep_line(struct buf *kept, const char *line, size_t n)
{
    static const char key[] = "  file: ", made[] = "/stages/fit-";
    const char *at = value_of(line, n, key) != NULL ? strstr(line, made) : NULL;
    if (at == NULL || at >= line + n) {
        return buf_append(kept, line, n);
    }
    TRY(buf_append(kept, key, strlen(key)));
    return buf_append(kept, at + 1, (size_t)(line + n - at - 1));
}

/* The seed stands in the section `train`. The section `run` names the directory, `fit` and `eval`
 * are not read by a training. */
static enum err keep_config(struct run *run, const char *text)
{
    struct buf kept;
    bool in_train = false, in_run = false, seeded = false;
    enum err e = ERR_OK;
    buf_init(&kept);
    for (const char *line = text; *line != '\0' && e == ERR_OK;) {
        const char *end = strchr(line, '\n');
        const size_t n = end != NULL ? (size_t)(end - line) : strlen(line);
        if (n > 0 && line[0] != ' ') {
            in_train = value_of(line, n + 1, "train:") != NULL;
            in_run = value_of(line, n + 1, "run:") != NULL;
        }
        const char *seed = in_train ? value_of(line, n, "  seed: ") : NULL;
        if (seed != NULL) {
            char digits[24];
            (void)snprintf(digits, sizeof digits, "%.*s", (int)(n - strlen("  seed: ")), seed);
            seeded = number_unsigned(&run->t->seed, digits, 10, UINT64_MAX);
        }
        if (!in_run && !(in_train && is_of_the_run(line, n))) {
            e = keep_line(&kept, line, n);
            e = e == ERR_OK ? buf_append(&kept, "\n", 1) : e;
        }
        line = end != NULL ? end + 1 : line + n;
    }
    e = e == ERR_OK ? buf_append(&kept, "", 1) : e;
    if (e == ERR_OK) {
        run->t->config = arena_strdup(run->r->arena, (const char *)kept.data);
        run->t->config_digest = hash_fnv1a(HASH_START, kept.data, kept.len - 1);
        e = arena_error(run->r->arena);
    }
    buf_release(&kept);
    if (e == ERR_OK && !seeded) {
        log_error("%s/run.yaml: has no train.seed; it is not of this program, or was damaged",
                  run->dir->path);
        return ERR_FORMAT;
    }
    return e;
}

static enum err read_config(struct run *run, const char *path)
{
    struct buf b;
    buf_init(&b);
    enum err e = file_read(&b, path, TEXT_MAX);
    if (e == ERR_OK) {
        e = keep_config(run, (const char *)b.data);
    }
    buf_release(&b);
    return e;
}

/* ---- small files ---- */

/* Only a training that is done counts. Behind `done` may stand what is unusual about it. */
static enum err check_done(const struct run *run)
{
    const char *path = file_of(run, "status");
    struct buf b;
    TRY(arena_error(run->r->arena));
    buf_init(&b);
    enum err e = file_read(&b, path, 4096);
    if (e == ERR_OK && strncmp((const char *)b.data, "done", 4) != 0) {
        char *text = (char *)b.data;
        text[strcspn(text, "\n")] = '\0';
        log_error("the training is not done (status: %s); the same karma train goes on with it "
                  "from its last checkpoint",
                  text[0] != '\0' ? text : "empty");
        e = ERR_FAILED;
    }
    buf_release(&b);
    return e;
}

/* The value of a key of machine.yaml without quotes; "" if it is not there. */
static const char *machine_value(const struct run *run, const char *text, const char *key)
{
    for (const char *line = text; line != NULL && *line != '\0';) {
        const size_t n = strcspn(line, "\n");
        const char *v = value_of(line, n, key);
        if (v != NULL) {
            v += strspn(v, " \"");
            return arena_printf(run->r->arena, "%.*s", (int)strcspn(v, "\"\n"), v);
        }
        line = line[n] != '\0' ? line + n + 1 : NULL;
    }
    return "";
}

static enum err read_machine(struct run *run)
{
    const char *path = file_of(run, "machine.yaml");
    struct buf b;
    uint64_t ranks = 0;
    TRY(arena_error(run->r->arena));
    run->t->host = run->t->cpu = run->t->started = "";
    if (!file_exists(path)) {
        return ERR_OK;
    }
    buf_init(&b);
    enum err e = file_read(&b, path, TEXT_MAX);
    if (e == ERR_OK) {
        const char *text = (const char *)b.data;
        run->t->host = machine_value(run, text, "host:");
        run->t->cpu = machine_value(run, text, "cpu:");
        run->t->started = machine_value(run, text, "started:");
        const char *n = machine_value(run, text, "ranks:");
        e = arena_error(run->r->arena);
        run->t->n_ranks = e == ERR_OK && number_unsigned(&ranks, n, 10, 1000000) ? (int)ranks : 0;
    }
    buf_release(&b);
    return e;
}

/* The CPU time of all ranks in all phases, and the most memory of a rank. */
static enum err add_ranks(struct run *run, struct columns *c)
{
    const int memory = columns_find(c, "memory_bytes");
    double most = NAN;
    run->t->cpu_s = 0.0;
    for (bool more = true;;) {
        TRY(columns_next(c, &more));
        if (!more) {
            run->t->memory_bytes = most;
            return ERR_OK;
        }
        for (int i = 0; i < c->n; i++) {
            const size_t n = strlen(c->names[i]);
            double x = 0.0;
            if (n > 6 && strcmp(c->names[i] + n - 6, "_cpu_s") == 0) {
                TRY(columns_number(&x, c, i));
                run->t->cpu_s += x;
            }
        }
        if (memory >= 0) {
            double x;
            TRY(columns_number(&x, c, memory));
            most = fmax(most, x);
        }
    }
}

static enum err read_ranks(struct run *run)
{
    const char *path = file_of(run, "ranks.csv");
    struct columns c;
    TRY(arena_error(run->r->arena));
    if (!file_exists(path)) {
        return ERR_OK;
    }
    TRY(columns_open(&c, run->r->arena, path));
    const enum err e = add_ranks(run, &c);
    columns_close(&c);
    return e;
}

/* Seconds of training until update `update` (0: the last). */
static enum err read_seconds(double *out, struct run *run, int update)
{
    const char *path = file_of(run, "timing.csv");
    struct columns c;
    int seconds;
    bool more = true;
    TRY(arena_error(run->r->arena));
    *out = NAN;
    if (!file_exists(path)) {
        return ERR_OK;
    }
    TRY(columns_open(&c, run->r->arena, path));
    enum err e = columns_need(&seconds, &c, "seconds");
    for (int u = 1; e == ERR_OK && (update == 0 || u <= update); u++) {
        e = columns_next(&c, &more);
        if (e != ERR_OK || !more) {
            break;
        }
        e = columns_number(out, &c, seconds);
    }
    columns_close(&c);
    return e;
}

/* ---- metrics.csv ---- */

enum series { SERIES_STEPS, SERIES_EPISODES, SERIES_REWARD, SERIES_SQUARED, SERIES_SLO, N_SERIES };
static const char *const series_names[N_SERIES] = {"env_steps", "episodes", "reward",
                                                   "reward_squared", "slo_attainment"};

enum { SERIES_MAX = 8 }; /* columns that are read of one file */

/* Rows (n, n_names), row by row, as many as there are. */
static enum err read_series(struct buf *rows, struct columns *c, const char *const *names,
                            int n_names)
{
    int at[SERIES_MAX];
    CHECK(n_names <= SERIES_MAX);
    for (int i = 0; i < n_names; i++) {
        TRY(columns_need(&at[i], c, names[i]));
    }
    for (bool more = true;;) {
        double x[SERIES_MAX];
        TRY(columns_next(c, &more));
        if (!more) {
            return ERR_OK;
        }
        for (int i = 0; i < n_names; i++) {
            TRY(columns_number(&x[i], c, at[i]));
        }
        TRY(buf_append(rows, x, (size_t)n_names * sizeof *x));
    }
}

static enum err read_file(struct buf *rows, struct run *run, const char *name,
                          const char *const *names, int n_names)
{
    const char *path = file_of(run, name);
    struct columns c;
    TRY(arena_error(run->r->arena));
    TRY(columns_open(&c, run->r->arena, path));
    const enum err e = read_series(rows, &c, names, n_names);
    columns_close(&c);
    return e;
}

/* Bin b has the updates u with floor(u RESULTS_BINS / n) = b. With fewer updates than bins some are
 * empty. */
static void fill_bins(struct result_training *t, const double *rows, int n)
{
    double weight[RESULTS_BINS] = {0};
    t->n_updates = n;
    for (int b = 0; b < RESULTS_BINS; b++) {
        t->env_steps[b] = t->reward[b] = t->slo_attainment[b] = NAN;
    }
    for (int u = 0; u < n; u++) {
        const double *x = rows + (ptrdiff_t)u * N_SERIES;
        const int b = (int)((long long)u * RESULTS_BINS / n);
        t->env_steps[b] = x[SERIES_STEPS];
        if (x[SERIES_EPISODES] > 0.0 && isfinite(x[SERIES_REWARD])) {
            const bool first = weight[b] == 0.0;
            weight[b] += x[SERIES_EPISODES];
            t->reward[b] = (first ? 0.0 : t->reward[b]) + x[SERIES_EPISODES] * x[SERIES_REWARD];
            t->slo_attainment[b] =
                (first ? 0.0 : t->slo_attainment[b]) + x[SERIES_EPISODES] * x[SERIES_SLO];
        }
    }
    for (int b = 0; b < RESULTS_BINS; b++) {
        t->reward[b] /= weight[b];
        t->slo_attainment[b] /= weight[b];
    }
}

/* Mean and deviation over the episodes that ended last, from the sums of updates: at least
 * LAST_EPISODES if there are as many. */
static void fill_last(struct result_training *t, const double *rows, int n)
{
    double count = 0.0, sum = 0.0, squares = 0.0;
    for (int u = n - 1; u >= 0 && count < LAST_EPISODES; u--) {
        const double *x = rows + (ptrdiff_t)u * N_SERIES;
        if (x[SERIES_EPISODES] > 0.0 && isfinite(x[SERIES_REWARD])) {
            count += x[SERIES_EPISODES];
            sum += x[SERIES_EPISODES] * x[SERIES_REWARD];
            squares += x[SERIES_EPISODES] * x[SERIES_SQUARED];
        }
    }
    t->last_reward = count > 0.0 ? sum / count : NAN;
    const double variance = squares / count - t->last_reward * t->last_reward;
    t->last_deviation = count > 1.0 ? sqrt(fmax(variance, 0.0) * count / (count - 1.0)) : NAN;
}

static enum err read_metrics(struct run *run)
{
    struct buf rows;
    buf_init(&rows);
    const enum err e = read_file(&rows, run, "metrics.csv", series_names, N_SERIES);
    const int n = (int)(rows.len / (N_SERIES * sizeof(double)));
    if (e == ERR_OK) {
        fill_bins(run->t, (const double *)(const void *)rows.data, n);
        fill_last(run->t, (const double *)(const void *)rows.data, n);
    }
    buf_release(&rows);
    if (e == ERR_OK && n == 0) {
        log_error("%s/metrics.csv: has no row; the same karma train with --restart makes it again",
                  run->dir->path);
        return ERR_FORMAT;
    }
    return e;
}

/* ---- convergence.csv ---- */

enum { C_UPDATE, C_STEPS, C_EPISODES, C_SLO, C_HEADROOM, C_COLLAPSED, C_COLUMNS };

static enum err judge(struct run *run, const double *rows, int n)
{
    double *slo = ARENA_NEW(run->r->arena, 3 * n, double), *headroom = slo + n;
    double *episodes = headroom + n;
    TRY(arena_error(run->r->arena));
    for (int i = 0; i < n; i++) {
        slo[i] = rows[i * C_COLUMNS + C_SLO];
        headroom[i] = rows[i * C_COLUMNS + C_HEADROOM];
        episodes[i] = rows[i * C_COLUMNS + C_EPISODES];
        if (!(episodes[i] >= (i > 0 ? episodes[i - 1] : 0.0))) {
            log_error(
                "%s/convergence.csv: the episodes of row %d are less than before or no number; "
                "the file was damaged: the same karma train with --restart makes it again",
                run->dir->path, i + 1);
            return ERR_FORMAT;
        }
    }
    run->t->n_evaluations = n;
    run->t->headroom = headroom;
    run->t->evaluated_episodes = episodes;
    const int at = converged_at(slo, headroom, n);
    run->t->evaluated = n > 0;
    run->t->collapsed = n > 0 && rows[(n - 1) * C_COLUMNS + C_COLLAPSED] != 0.0;
    if (at >= 0) {
        run->t->converged_episodes = rows[at * C_COLUMNS + C_EPISODES];
        run->t->converged_steps = rows[at * C_COLUMNS + C_STEPS];
        return read_seconds(&run->t->converged_s, run, (int)rows[at * C_COLUMNS + C_UPDATE]);
    }
    return ERR_OK;
}

static enum err read_convergence(struct run *run)
{
    static const char *const names[C_COLUMNS] = {"update",         "env_steps", "episodes",
                                                 "slo_attainment", "headroom",  "collapsed"};
    const char *path = file_of(run, "convergence.csv");
    struct buf rows;
    TRY(arena_error(run->r->arena));
    if (!file_exists(path)) {
        return ERR_OK;
    }
    buf_init(&rows);
    enum err e = read_file(&rows, run, "convergence.csv", names, C_COLUMNS);
    if (e == ERR_OK) {
        e = judge(run, (const double *)(const void *)rows.data,
                  (int)(rows.len / (C_COLUMNS * sizeof(double))));
    }
    buf_release(&rows);
    return e;
}

/* ---- all ---- */

/* "a/b/hard-3" is a training of the arm "a/b/hard", "hard/3" one of "hard": digits at the end, and
 * what separates them, are the seed's. */
static const char *arm_of(struct arena *arena, const char *shown)
{
    char *name = arena_strdup(arena, shown);
    if (name == NULL) {
        return NULL;
    }
    size_t n = strlen(name);
    while (n > 0 && isdigit((unsigned char)name[n - 1])) {
        n--;
    }
    while (n > 0 && strchr("-_/.", name[n - 1]) != NULL && name[n] != '\0') {
        n--;
    }
    if (n > 0 && strpbrk(name + n, "-_/.") != NULL) {
        name[n] = '\0';
    }
    return name;
}

enum err results_read_training(struct results *r, const struct result_dir *d, const char *path)
{
    struct result_training t = {.scenario = "",
                                .converged_episodes = NAN,
                                .converged_steps = NAN,
                                .converged_s = NAN,
                                .seconds = NAN,
                                .cpu_s = NAN,
                                .memory_bytes = NAN};
    struct run run = {.r = r, .dir = d, .t = &t};
    const char *metrics = file_of(&run, "metrics.csv");
    t.path = d->shown;
    t.name = arm_of(r->arena, d->shown);
    TRY(arena_error(r->arena));
    t.arm = strrchr(t.name, '/') != NULL ? strrchr(t.name, '/') + 1 : t.name;
    if (!file_exists(metrics) && !file_exists(file_of(&run, "status"))) {
        return ERR_OK; /* a run.yaml of something else */
    }
    TRY(check_done(&run));
    TRY(read_config(&run, path));
    TRY(read_metrics(&run));
    TRY(read_convergence(&run));
    TRY(read_seconds(&t.seconds, &run, 0));
    TRY(read_ranks(&run));
    TRY(read_machine(&run));
    struct result_training *list = RESULTS_GROW(r, trainings, struct result_training);
    TRY(arena_error(r->arena));
    r->trainings = list;
    r->trainings[r->n_trainings++] = t;
    return ERR_OK;
}
