/* Lines of trials. See tune_log.h. */
#include "mpi/jobs/tune_log.h"

#include "core/base/file.h"

enum { BEFORE_KEYS = 5, BEHIND_KEYS = 9 };

static enum err open_rows(struct tune_log *l, struct arena *arena, const char *path)
{
    static const char *const before[BEFORE_KEYS] = {"trial", "rung", "updates", "episodes",
                                                    "state"};
    static const char *const behind[BEHIND_KEYS] = {
        "objective",         "objective_lo", "objective_hi", "slo_attainment", "slo_attainment_lo",
        "slo_attainment_hi", "vcpu",         "vcpu_lo",      "vcpu_hi"};
    const struct tune_cfg *tune = &l->trials->x->cfg.tune;
    const char *columns[BEFORE_KEYS + TUNE_KEYS_MAX + BEHIND_KEYS];
    int n = 0;
    for (int i = 0; i < BEFORE_KEYS; i++) {
        columns[n++] = before[i];
    }
    for (int k = 0; k < tune->n_keys; k++) {
        columns[n++] = tune->keys[k].key;
    }
    for (int i = 0; i < BEHIND_KEYS; i++) {
        columns[n++] = behind[i];
    }
    return csv_create(&l->rows, arena, path, columns, n);
}

/* A row that a killed process has torn is cut off. */
static enum err open_seconds(struct tune_log *l, struct arena *arena, const char *path)
{
    static const char *const columns[] = {"trial", "rung", "episodes_played", "cpu_s", "train_s"};
    const int n = (int)(sizeof columns / sizeof *columns);
    return file_exists(path) ? csv_resume(&l->seconds, arena, path, columns, n, CSV_KEEP_ALL)
                             : csv_create(&l->seconds, arena, path, columns, n);
}

void tune_log_init(struct tune_log *l, struct arena *arena, const struct tune_trials *trials,
                   const char *dir)
{
    *l = (struct tune_log){
        .trials = trials, .arena = arena, .dir = dir, .rows = {.fd = -1}, .seconds = {.fd = -1}};
}

static enum err ensure_open(struct tune_log *l)
{
    if (l->rows.fd >= 0) {
        return ERR_OK;
    }
    const char *rows = file_join(l->arena, l->dir, "trials.csv");
    const char *seconds = file_join(l->arena, l->dir, "seconds.csv");
    TRY(arena_error(l->arena));
    TRY(open_rows(l, l->arena, rows));
    return open_seconds(l, l->arena, seconds);
}

/* All digits, so that whoever reads the file finds the same order of trials. */
static void put_interval(struct csv *csv, const struct stat_interval *v)
{
    csv_exact(csv, v->value);
    csv_exact(csv, v->lo);
    csv_exact(csv, v->hi);
}

enum err tune_log_put(struct tune_log *l, const struct trial_result *r)
{
    const struct tune_cfg *tune = &l->trials->x->cfg.tune;
    TRY(ensure_open(l));
    csv_int(&l->rows, r->trial);
    csv_int(&l->rows, r->rung);
    csv_int(&l->rows, tune->what == TUNE_TRAINING ? r->budget : 0);
    csv_int(&l->rows, r->n_episodes);
    csv_text(&l->rows, r->failed ? "failed" : "done");
    for (int k = 0; k < tune->n_keys; k++) {
        csv_text(&l->rows, tune_trials_value(l->trials, r->trial, k));
    }
    put_interval(&l->rows, &r->score.objective);
    put_interval(&l->rows, &r->score.slo_attainment);
    put_interval(&l->rows, &r->score.vcpu);
    return csv_end_row(&l->rows);
}

enum err tune_log_put_seconds(struct tune_log *l, const struct tune_seconds *s)
{
    csv_int(&l->seconds, s->trial);
    csv_int(&l->seconds, s->rung);
    csv_int(&l->seconds, s->n_episodes);
    csv_num(&l->seconds, s->cpu_s);
    csv_num(&l->seconds, s->train_s);
    return csv_end_row(&l->seconds);
}

enum err tune_log_sync(struct tune_log *l)
{
    TRY(csv_sync(&l->rows));
    return csv_sync(&l->seconds);
}

void tune_log_close(struct tune_log *l)
{
    csv_close(&l->rows);
    csv_close(&l->seconds);
}
