/* Controllers of an evaluation from trials, and scores from its rows. See tune_rung.h. */
#include "mpi/jobs/tune_rung.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/controllers/trained.h"
#include "mpi/jobs/eval_run.h"

#include <math.h>
#include <string.h>

/* A rung under way. */
struct rung {
    struct tune_play *p;
    int number; /* from 0 */
    const struct tune_entry *entries;
    int n_entries;
    struct eval_run run;
    /* rank 0: */
    struct tune_rows *rows;
    int *left;      /* (controllers) rows that are missing */
    int *n_played;  /* (controllers) episodes that were played now */
    double *cpu_s;  /* (controllers) of these */
    int next;       /* entry that is scored next */
    int controller; /* of that entry */
};

static const struct tune_cfg *tune_of(const struct tune_play *p)
{
    return &p->trials->x->cfg.tune;
}

static bool is_training(const struct tune_play *p)
{
    return tune_of(p)->what == TUNE_TRAINING;
}

static const char *rung_dir(const struct tune_play *p, int rung)
{
    return arena_printf(p->arena, "%s/rung-%d", p->dir, rung + 1);
}

const char *tune_train_dir(const struct tune_play *p, struct arena *arena, int rung, int trial,
                           int seed)
{
    return arena_printf(arena, "%s/rung-%d/trial-%d-seed-%llu", p->dir, rung + 1, trial,
                        (unsigned long long)p->trials->train_seeds[seed]);
}

/* ---- who plays ---- */

static enum err find_references(struct tune_play *p)
{
    const struct controller_kind *kind = trial_reference(tune_of(p)->reference);
    int *references = ARENA_NEW(p->arena, p->base.n_controllers, int);
    TRY(arena_error(p->arena));
    for (int c = 0; c < p->base.n_controllers; c++) {
        if (tune_of(p)->objective == TUNE_EQUAL_COST && c != p->trials->controller &&
            frontier_has(kind, &p->base, c)) {
            references[p->n_references++] = c;
        }
    }
    p->references = references;
    return ERR_OK;
}

/* The arms of the reference can be made: what their tables cannot check is found before anything is
 * trained, not after. */
static enum err try_references(const struct tune_play *p)
{
    const struct experiment *x = p->trials->x;
    const struct arena_mark mark = arena_mark(p->scratch);
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < p->n_references; i++) {
        struct controller *made;
        e = controller_new(&made, p->scratch, &p->base.controllers[p->references[i]], &x->env_setup,
                           &x->rules, NULL);
        arena_rewind(p->scratch, mark);
    }
    return e;
}

enum err tune_play_init(struct tune_play *p, struct comm *comm, struct arena *arena,
                        struct arena *scratch, const struct tune_trials *trials, const char *dir)
{
    *p = (struct tune_play){.comm = comm,
                            .trials = trials,
                            .dir = dir,
                            .arena = arena,
                            .scratch = scratch,
                            .base = trials->x->cfg.eval,
                            .log = {.rows = {.fd = -1}, .seconds = {.fd = -1}}};
    p->results = ARENA_NEW(arena, trials->n_rungs * tune_of(p)->trials, struct trial_result);
    TRY(arena_error(arena));
    TRY(find_references(p));
    return try_references(p);
}

/* The tuned controller with the policies that the trial has trained. */
static enum err trained_method(struct cfg_one *out, const struct tune_play *p, int rung, int trial)
{
    const struct cfg_one *method = &p->base.controllers[p->trials->controller].method;
    const int n = p->trials->n_train_seeds;
    struct trained_cfg *params = arena_alloc(p->arena, 1, method->kind->size);
    const char **policies = ARENA_NEW(p->arena, n, const char *);
    TRY(arena_error(p->arena));
    memcpy(params, method->params, method->kind->size);
    for (int s = 0; s < n; s++) {
        policies[s] = tune_train_dir(p, p->arena, rung, trial, s);
    }
    params->policies = policies;
    params->n_policies = n;
    params->training = "";
    params->n_settings = params->n_seeds = 0;
    *out = (struct cfg_one){.kind = method->kind, .params = params};
    return arena_error(p->arena);
}

static enum err trial_controller(struct controller_cfg *out, const struct rung *r, int trial)
{
    const struct tune_play *p = r->p;
    *out = p->base.controllers[p->trials->controller];
    out->name = arena_printf(p->arena, "trial %d", trial);
    out->show = true;
    TRY(arena_error(p->arena));
    if (is_training(p)) {
        return trained_method(&out->method, p, r->number, trial);
    }
    out->method = p->trials->methods[trial - 1];
    return ERR_OK;
}

/* Episodes that a rung plays begin behind those of the rung before it, unless trainings are new. */
static void choose_episodes(struct eval_cfg *cfg, const struct rung *r)
{
    const struct halving_rung *rungs = r->p->trials->rungs;
    if (!is_training(r->p)) {
        const int before = r->number > 0 ? rungs[r->number - 1].budget : 0;
        cfg->first += before;
        cfg->episodes = rungs[r->number].budget - before;
    }
}

/* Puts the rung's evaluation in the place of the configured one. */
static enum err make_eval(struct rung *r)
{
    struct tune_play *p = r->p;
    struct eval_cfg cfg = p->base;
    cfg.controllers = ARENA_NEW(p->arena, p->n_references + r->n_entries, struct controller_cfg);
    cfg.n_controllers = cfg.n_joined = cfg.n_frontier = cfg.n_claims = 0;
    cfg.trajectories = EVAL_TRAJECTORIES_NONE;
    TRY(arena_error(p->arena));
    for (int i = 0; i < p->n_references; i++) {
        cfg.controllers[cfg.n_controllers++] = p->base.controllers[p->references[i]];
    }
    for (int i = 0; i < r->n_entries; i++) {
        if (!r->entries[i].failed) {
            TRY(trial_controller(&cfg.controllers[cfg.n_controllers++], r, r->entries[i].trial));
        }
    }
    choose_episodes(&cfg, r);
    p->trials->x->cfg.eval = cfg;
    return ERR_OK;
}

/* ---- rows ---- */

/* Where the rows of each controller are, and how many are to come. */
static enum err make_rows(struct rung *r)
{
    struct tune_play *p = r->p;
    const struct eval_grid *grid = &r->run.grid;
    const int n = p->trials->x->cfg.eval.n_controllers;
    int *first = ARENA_NEW(p->arena, n, int), *n_arms = ARENA_NEW(p->arena, n, int);
    int *trials = ARENA_NEW(p->arena, n, int), n_trials = 0, n_rows;
    r->left = ARENA_NEW(p->arena, n, int);
    r->n_played = ARENA_NEW(p->arena, n, int);
    r->cpu_s = ARENA_NEW(p->arena, n, double);
    TRY(arena_error(p->arena));
    for (int a = 0; a < grid->n_arms; a++) {
        const int c = grid->arms[a].controller;
        first[c] = n_arms[c] == 0 ? a : first[c];
        n_arms[c]++;
        r->left[c] += grid->n_scenarios * grid->n_episodes;
    }
    for (int i = 0; i < r->n_entries; i++) {
        if (!r->entries[i].failed) {
            trials[n_trials++] = r->entries[i].trial;
        }
    }
    r->rows = &p->rungs[r->number];
    *r->rows = (struct tune_rows){.rows = eval_rows(r->run.eval, &n_rows),
                                  .n_episodes = grid->n_episodes,
                                  .first_arm = first,
                                  .n_arms = n_arms,
                                  .trials = trials,
                                  .n_trials = n_trials};
    return ERR_OK;
}

/* The controller of a rung's evaluation that is the i-th of a score: an arm of the reference, or
 * behind these the trial. A trial of a later rung is in all rungs before it. */
static int controller_in(const struct tune_play *p, const struct tune_rows *rows, int i, int trial)
{
    int at = 0;
    if (i < p->n_references) {
        return i;
    }
    while (at < rows->n_trials && rows->trials[at] != trial) {
        at++;
    }
    CHECK(at < rows->n_trials);
    return p->n_references + at;
}

/* Rungs whose rows are scored: of a controller all so far, of a training the last one. */
static int first_rung(const struct tune_play *p, int rung)
{
    return is_training(p) ? rung : 0;
}

/* Appends the rows of controller i of a score, under one training seed in one scenario, over the
 * rungs. */
static void append_block(struct eval_row *rows, int *n, const struct tune_play *p, int rung, int i,
                         int trial, int train, int scenario)
{
    const int n_scenarios = p->trials->x->cfg.n_scenarios;
    for (int k = first_rung(p, rung); k <= rung; k++) {
        const struct tune_rows *from = &p->rungs[k];
        const int arm = from->first_arm[controller_in(p, from, i, trial)] + train;
        const struct eval_row *block =
            from->rows + (size_t)(arm * n_scenarios + scenario) * (size_t)from->n_episodes;
        for (int e = 0; e < from->n_episodes; e++) {
            rows[*n] = block[e];
            rows[*n].controller = i;
            ++*n;
        }
    }
}

static int count_episodes(const struct tune_play *p, int rung)
{
    int n = 0;
    for (int k = first_rung(p, rung); k <= rung; k++) {
        n += p->rungs[k].n_episodes;
    }
    return n;
}

/* All rows of a score, in the order of controller, training seed, scenario, episode. n_controllers:
 * arms of the reference, and the trial if it is one more. In scratch. */
static enum err collect_rows(struct eval_row **rows, int *n, const struct tune_play *p, int rung,
                             int n_controllers, int trial)
{
    const struct tune_rows *last = &p->rungs[rung];
    const int n_scenarios = p->trials->x->cfg.n_scenarios;
    int n_arms = 0;
    for (int i = 0; i < n_controllers; i++) {
        n_arms += last->n_arms[controller_in(p, last, i, trial)];
    }
    *n = 0;
    *rows = ARENA_NEW(p->scratch, n_arms * n_scenarios * count_episodes(p, rung), struct eval_row);
    TRY(arena_error(p->scratch));
    for (int i = 0; i < n_controllers; i++) {
        const int n_train = last->n_arms[controller_in(p, last, i, trial)];
        for (int t = 0; t < n_train; t++) {
            for (int s = 0; s < n_scenarios; s++) {
                append_block(*rows, n, p, rung, i, trial, t, s);
            }
        }
    }
    return ERR_OK;
}

/* The evaluation that a score is about: arms of the reference, then the trial. */
static enum err score_eval(struct eval_cfg *cfg, const struct tune_play *p, int rung)
{
    struct controller_cfg *all = ARENA_NEW(p->scratch, p->n_references + 1, struct controller_cfg);
    TRY(arena_error(p->scratch));
    for (int i = 0; i < p->n_references; i++) {
        all[i] = p->base.controllers[p->references[i]];
    }
    all[p->n_references] = p->base.controllers[p->trials->controller];
    all[p->n_references].name = "trial";
    *cfg = p->base;
    cfg->controllers = all;
    cfg->n_controllers = p->n_references + 1;
    cfg->episodes = count_episodes(p, rung);
    return ERR_OK;
}

/* ---- scores ---- */

static enum err score(struct trial_score *out, const struct rung *r, int trial)
{
    struct tune_play *p = r->p;
    const struct experiment_cfg *cfg = &p->trials->x->cfg;
    const struct arena_mark mark = arena_mark(p->scratch);
    struct eval_cfg eval;
    struct eval_row *rows;
    int n;
    enum err e = score_eval(&eval, p, r->number);
    if (e == ERR_OK) {
        e = collect_rows(&rows, &n, p, r->number, p->n_references + 1, trial);
    }
    if (e == ERR_OK) {
        e = trial_score(out, tune_of(p), &eval, cfg->scenarios, cfg->n_scenarios, rows, n,
                        p->scratch);
    }
    arena_rewind(p->scratch, mark);
    return e;
}

static enum err finish_entry(struct rung *r, const struct tune_entry *entry)
{
    struct tune_play *p = r->p;
    const struct stat_interval none = {NAN, NAN, NAN};
    struct trial_result *result = &p->results[p->n_results];
    *result = (struct trial_result){.trial = entry->trial,
                                    .rung = r->number + 1,
                                    .budget = p->trials->rungs[r->number].budget,
                                    .n_episodes = count_episodes(p, r->number),
                                    .failed = entry->failed,
                                    .score = {none, none, none}};
    if (!entry->failed) {
        TRY(score(&result->score, r, entry->trial));
    }
    p->n_results++;
    return tune_log_put(&p->log, result);
}

/* Is the next entry's score due? Rows come in the order of controllers, so scores do, too. */
static bool is_due(const struct rung *r)
{
    if (r->next == r->n_entries) {
        return false;
    }
    if (r->entries[r->next].failed) {
        return true;
    }
    for (int c = 0; c < r->p->n_references; c++) {
        if (r->left[c] > 0) {
            return false;
        }
    }
    return r->left[r->controller] == 0;
}

static enum err score_due(struct rung *r)
{
    while (is_due(r)) {
        const struct tune_entry *entry = &r->entries[r->next++];
        TRY(finish_entry(r, entry));
        r->controller += entry->failed ? 0 : 1;
    }
    return ERR_OK;
}

/* Rank 0: a row is there. */
static enum err see_row(void *ctx, int job, double seconds)
{
    struct rung *r = ctx;
    const struct eval_grid *grid = &r->run.grid;
    const int c = grid->arms[job / (grid->n_scenarios * grid->n_episodes)].controller;
    r->left[c]--;
    r->n_played[c] += seconds > 0.0 ? 1 : 0;
    r->cpu_s[c] += seconds;
    return score_due(r);
}

static enum err put_seconds(struct rung *r)
{
    struct tune_play *p = r->p;
    int c = p->n_references;
    for (int i = 0; i < r->n_entries; i++) {
        const struct tune_entry *entry = &r->entries[i];
        const bool plays = !entry->failed;
        const struct tune_seconds s = {.trial = entry->trial,
                                       .rung = r->number + 1,
                                       .n_episodes = plays ? r->n_played[c] : 0,
                                       .cpu_s = plays ? r->cpu_s[c] : 0.0,
                                       .train_s = entry->train_s};
        c += plays ? 1 : 0;
        if (s.n_episodes > 0 || !isnan(s.train_s)) {
            TRY(tune_log_put_seconds(&p->log, &s));
        }
    }
    return tune_log_sync(&p->log);
}

/* ---- the rung ---- */

/* Rank 0's log is muted on the others (mpi/cmd/ranks.h), who come to the same errors. */
static enum err prepare(struct rung *r)
{
    struct tune_play *p = r->p;
    const char *dir = rung_dir(p, r->number);
    TRY(arena_error(p->arena));
    TRY(make_eval(r));
    TRY(eval_run_init(&r->run, p->arena, p->comm, p->trials->x, p->trials->source.path, dir));
    TRY(make_rows(r));
    r->controller = p->n_references;
    return ERR_OK;
}

static void announce(const struct rung *r)
{
    const struct tune_play *p = r->p;
    const char *reference = p->n_references > 0 ? tune_of(p)->reference : NULL;
    log_info("rung %d of %d: %d trials, %d episodes each in each scenario%s%s", r->number + 1,
             p->trials->n_rungs, r->n_entries, r->rows->n_episodes,
             reference != NULL ? ", and the arms of " : "", reference != NULL ? reference : "");
}

static enum err execute(struct rung *r)
{
    const bool root = r->p->comm->rank == 0;
    const struct eval_run_options how = {.lock = r->p->lock, .watch = {.ctx = r, .row = see_row}};
    if (root) {
        announce(r);
    }
    TRY(eval_run_execute(&r->run, &how));
    enum err e = root ? score_due(r) : ERR_OK;
    if (root && e == ERR_OK) {
        CHECK(r->next == r->n_entries);
        e = put_seconds(r);
    }
    return comm_agree(r->p->comm, e);
}

enum err tune_play_rung(struct tune_play *p, int rung, const struct tune_entry *entries, int n)
{
    struct rung r = {.p = p,
                     .number = rung,
                     .entries = entries,
                     .n_entries = n,
                     .run = {.csv = {.fd = -1}, .org_metrics = {.csv = {.fd = -1}}}};
    const struct log_sink before = log_sink_now();
    if (p->comm->rank != 0) {
        log_set_sink(log_discard, NULL);
    }
    enum err e = prepare(&r);
    log_set_sink(before.sink, before.ctx);
    e = comm_agree(p->comm, e);
    e = e == ERR_OK ? execute(&r) : e;
    eval_run_release(&r.run);
    return e;
}

/* ---- the reference ---- */

enum err tune_play_reference(struct frontier_point *points, int *n, const struct tune_play *p)
{
    const struct experiment_cfg *cfg = &p->trials->x->cfg;
    const int rung = p->trials->n_rungs - 1, n_scenarios = cfg->n_scenarios;
    const struct arena_mark mark = arena_mark(p->scratch);
    struct outcomes o;
    struct eval_row *rows;
    int n_rows;
    *n = 0;
    if (p->n_references == 0) {
        return ERR_OK;
    }
    enum err e = collect_rows(&rows, &n_rows, p, rung, p->n_references, 0);
    if (e == ERR_OK) {
        e = outcomes_init(&o, p->scratch, rows, n_rows, p->n_references, n_scenarios,
                          count_episodes(p, rung));
    }
    for (int i = 0; e == ERR_OK && i < p->n_references; i++) {
        const int scenario = n_scenarios > 1 ? OUTCOMES_POOLED : 0;
        points[i] = (struct frontier_point){
            .cost = outcomes_mean(&o, i, scenario, METRIC_OF(vcpu)),
            .value = outcomes_mean(&o, i, scenario, METRIC_OF(slo_attainment)),
            .arm = i};
    }
    *n = e == ERR_OK ? frontier_hull(points, p->n_references) : 0;
    arena_rewind(p->scratch, mark);
    return e;
}
