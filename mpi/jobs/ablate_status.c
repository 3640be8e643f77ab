/* Counting states. See ablate_status.h.
 *
 * The time that is left is that of the runs that are not over, at the mean wall clock of those that
 * are done, shared by as many groups as there are runs under way. */
#include "mpi/jobs/ablate_status.h"

#include "core/base/file.h"
#include "core/base/lock.h"
#include "core/base/log.h"
#include "core/base/plural.h"
#include "core/base/progress.h"
#include "core/report/table.h"
#include "mpi/jobs/ablate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { N_STATES = ABLATION_CHANGED + 1, TOLD_MAX = 20 };

struct status {
    const char *dir, *spec_path;
    struct arena arena, scratch;
    struct ablation_line *lines; /* (n) with their states as they are */
    const char **reasons;        /* (n) of failed runs */
    int n;
    int count[N_STATES];
    double seconds; /* of the runs that are done */
    int n_timed;
};

/* ---- looking ---- */

static enum err look(struct status *s, int i)
{
    struct ablation_line *l = &s->lines[i];
    const struct arena_mark mark = arena_mark(&s->scratch);
    struct ablation_outcome out;
    struct ablation_cost cost;
    bool found = false;
    TRY(ablation_look(&l->state, &out, &s->scratch, s->dir, l));
    s->count[l->state]++;
    if (l->state == ABLATION_FAILED) {
        s->reasons[i] = arena_strdup(&s->arena, out.reason);
    }
    if (l->state == ABLATION_DONE) {
        const char *run_dir = ablation_run_dir(&s->scratch, s->dir, l);
        TRY(arena_error(&s->scratch));
        TRY(ablation_cost_read(&cost, &found, &s->scratch, run_dir));
    }
    s->seconds += found ? cost.seconds : 0.0;
    s->n_timed += found ? 1 : 0;
    arena_rewind(&s->scratch, mark);
    return arena_error(&s->arena);
}

static enum err look_at_all(struct status *s)
{
    const char *manifest = file_join(&s->arena, s->dir, "manifest.csv");
    TRY(arena_error(&s->arena));
    if (!file_exists(manifest)) {
        log_error("'%s' has no manifest.csv: this ablation was not begun; begin it with: karma "
                  "ablate %s (or name its directory with --out DIR)",
                  s->dir, s->spec_path);
        return ERR_CONFIG;
    }
    TRY(ablation_manifest_read(&s->lines, &s->n, &s->arena, s->dir));
    s->reasons = ARENA_NEW(&s->arena, s->n, const char *);
    TRY(arena_error(&s->arena));
    for (int i = 0; i < s->n; i++) {
        TRY(look(s, i));
    }
    return ERR_OK;
}

/* ---- telling ---- */

static bool is_first(const struct status *s, int i)
{
    for (int j = 0; j < i; j++) {
        if (strcmp(s->lines[j].variant, s->lines[i].variant) == 0 &&
            strcmp(s->lines[j].scenario, s->lines[i].scenario) == 0) {
            return false;
        }
    }
    return true;
}

static void put_row(struct table *t, const struct status *s, int i)
{
    int count[N_STATES] = {0};
    for (int j = i; j < s->n; j++) {
        if (strcmp(s->lines[j].variant, s->lines[i].variant) == 0 &&
            strcmp(s->lines[j].scenario, s->lines[i].scenario) == 0) {
            count[s->lines[j].state]++;
        }
    }
    table_text(t, s->lines[i].variant);
    table_text(t, s->lines[i].scenario);
    table_cell(t, "%d", count[ABLATION_DONE]);
    table_cell(t, "%d", count[ABLATION_RUNNING]);
    table_cell(t, "%d", count[ABLATION_WAITING] + count[ABLATION_CHANGED]);
    table_cell(t, "%d", count[ABLATION_FAILED]);
}

static enum err show_table(struct status *s)
{
    static const char *const head[] = {"variant", "scenario", "done",
                                       "running", "waiting",  "failed"};
    struct table t;
    table_init(&t, &s->arena, head, 6, 2);
    for (int i = 0; i < s->n; i++) {
        if (is_first(s, i)) {
            put_row(&t, s, i);
        }
    }
    return table_show(&t);
}

static void name_run(const struct status *s, int i)
{
    const struct ablation_line *l = &s->lines[i];
    printf("line %d, %s in %s, seed %" PRIu64, l->number, l->variant, l->scenario, l->seed);
}

static void show_failed(const struct status *s)
{
    int told = 0;
    for (int i = 0; i < s->n && told < TOLD_MAX; i++) {
        if (s->lines[i].state == ABLATION_FAILED) {
            printf("failed: ");
            name_run(s, i);
            printf(": %s\n", s->reasons[i]);
            told++;
        }
    }
    if (s->count[ABLATION_FAILED] > told) {
        printf("failed: %d more\n", s->count[ABLATION_FAILED] - told);
    }
}

static enum err show_running(struct status *s)
{
    struct owner me, who;
    int told = 0;
    owner_identify(&me, "karma ablate");
    for (int i = 0; i < s->n && told < TOLD_MAX; i++) {
        char text[OWNER_TEXT_MAX];
        const struct arena_mark mark = arena_mark(&s->scratch);
        const char *run_dir = ablation_run_dir(&s->scratch, s->dir, &s->lines[i]);
        TRY(arena_error(&s->scratch));
        if (s->lines[i].state == ABLATION_RUNNING &&
            lock_look(&who, run_dir, &me, &lock_usual_times)) {
            owner_describe(text, &who);
            printf("running: ");
            name_run(s, i);
            printf(": %s\n", text);
            told++;
        }
        arena_rewind(&s->scratch, mark);
    }
    return ERR_OK;
}

/* Twins that are not done. Each is needed by many lines, and told once. */
static enum err show_twins(struct status *s)
{
    for (int i = 0; i < s->n; i++) {
        const char *hex = s->lines[i].twin;
        bool first = hex[0] != '\0';
        for (int j = 0; j < i && first; j++) {
            first = strcmp(s->lines[j].twin, hex) != 0;
        }
        if (!first) {
            continue;
        }
        struct ablation_outcome out;
        enum ablation_state state;
        const struct arena_mark mark = arena_mark(&s->scratch);
        const char *dir = arena_printf(&s->scratch, "%s/stages/fit-%s", s->dir, hex);
        TRY(arena_error(&s->scratch));
        const bool found = file_exists(dir);
        TRY(ablation_look_at(&state, &out, &s->scratch, dir, 0));
        if (out.format == 0 || out.state == ABLATION_FAILED) {
            printf("twin %s: %s%s%s\n", dir,
                   out.format != 0             ? "failed"
                   : state == ABLATION_RUNNING ? "running"
                                               : "waiting",
                   out.format != 0 ? ": "
                   : found         ? ""
                                   : ", not begun",
                   out.format != 0 ? out.reason : "");
        }
        arena_rewind(&s->scratch, mark);
    }
    return ERR_OK;
}

static void show_sum(const struct status *s)
{
    const int n_left =
        s->count[ABLATION_WAITING] + s->count[ABLATION_RUNNING] + s->count[ABLATION_CHANGED];
    const int n_groups = s->count[ABLATION_RUNNING] > 0 ? s->count[ABLATION_RUNNING] : 1;
    char each[32], left[32];
    printf("%d runs: %d done, %d running, %d waiting, %d failed\n", s->n, s->count[ABLATION_DONE],
           s->count[ABLATION_RUNNING], s->count[ABLATION_WAITING] + s->count[ABLATION_CHANGED],
           s->count[ABLATION_FAILED]);
    if (s->count[ABLATION_CHANGED] > 0) {
        printf("%d of the waiting ones have results of another configuration; --restart moves "
               "them aside\n",
               s->count[ABLATION_CHANGED]);
    }
    if (s->n_timed == 0 || n_left == 0) {
        return;
    }
    const double mean = s->seconds / s->n_timed;
    progress_duration(each, sizeof each, mean);
    progress_duration(left, sizeof left, mean * n_left / n_groups);
    printf("eta %s: %d run%s of %s each, %d at a time%s\n", left, n_left, plural_s(n_left), each,
           n_groups, s->count[ABLATION_RUNNING] > 0 ? "" : " (nobody works on it now)");
}

static enum err show(struct status *s)
{
    TRY(look_at_all(s));
    TRY(show_table(s));
    TRY(show_twins(s));
    TRY(show_running(s));
    show_failed(s);
    show_sum(s);
    return ERR_OK;
}

enum err ablate_status(const char *dir, const char *spec_path)
{
    struct status s = {.dir = dir, .spec_path = spec_path};
    arena_init(&s.arena);
    arena_init(&s.scratch);
    const enum err e = show(&s);
    arena_release(&s.scratch);
    arena_release(&s.arena);
    return e;
}

/* ---- what there is to do ---- */

static enum err list_stages(const struct ablate_plan *plan)
{
    static const char *const head[] = {"stage", "scenario", "directory"};
    struct table t;
    if (plan->n_stages == 0) {
        return ERR_OK;
    }
    table_init(&t, plan->arena, head, 3, 3);
    for (int i = 0; i < plan->n_stages; i++) {
        table_text(&t, plan->stages[i].is_fit ? "fit" : "collect");
        table_text(&t, plan->lines[plan->stages[i].run].scenario);
        table_text(&t, plan->stages[i].dir);
    }
    return table_show(&t);
}

enum err ablate_list(const struct ablate_plan *plan, const char *lines)
{
    static const char *const head[] = {"line", "variant", "scenario", "kind", "digest", "seed"};
    bool *wanted = ARENA_NEW(plan->arena, plan->n, bool);
    struct table t;
    TRY(arena_error(plan->arena));
    memset(wanted, 1, (size_t)plan->n * sizeof *wanted);
    TRY(lines != NULL ? ablate_read_lines(wanted, plan->n, lines) : ERR_OK);
    TRY(list_stages(plan));
    table_init(&t, plan->arena, head, 6, 5);
    for (int i = 0; i < plan->n; i++) {
        const struct ablation_line *l = &plan->lines[i];
        if (wanted[i]) {
            table_cell(&t, "%d", l->number);
            table_text(&t, l->variant);
            table_text(&t, l->scenario);
            table_text(&t, l->kind);
            table_cell(&t, "%016" PRIx64, l->digest);
            table_cell(&t, "%" PRIu64, l->seed);
        }
    }
    TRY(table_show(&t));
    printf("%d run%s, digest %016" PRIx64 "\n", plan->n, plural_s(plan->n), plan->digest);
    return ERR_OK;
}
